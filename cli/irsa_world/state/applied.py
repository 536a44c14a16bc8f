"""What resources have of the last `pulumi up`, in place of what their components recorded: it may have failed between.

An `up` that fails updates the state of each resource that it reached, and perhaps no component's outputs. Pure.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from irsa import outputs, types
from irsa.evaluation import PodIdentityRequest
from irsa.rules.annotations import PREFIX
from irsa.rules.arns import cluster_of_association
from irsa.rules.leaves import mapping_of
from irsa_world.state.resource import Resource, known_text
from irsa_world.trusts.provider_trust import Principal, principals_of


def as_applied(state: Iterable[Resource]) -> Iterator[Resource]:
    """Yield the resources, where the outputs of components are what the inputs of their children say.

    A refresh writes into these what somebody did by hand. So a trust policy with a principal that no component
    declares, other than a cluster, is not taken from there.
    """
    resources = [each for each in state if not each.pending]
    children: dict[str, list[Resource]] = {}
    for each in resources:
        children.setdefault(each.parent, []).append(each)
    declared = [principals_of(each.text(outputs.TRUST_POLICY)) for each in resources]
    known = {PodIdentityRequest.principal}.union(*declared)
    for each in resources:
        is_component = each.type == outputs.COMPONENT_TYPE
        changed = _outputs(children.get(each.urn, ()), known) if is_component else {}
        if is_component and each.outputs.get(outputs.ASSOCIATIONS):
            # Those that it deleted are no resources.
            changed.setdefault(outputs.ASSOCIATIONS, [])
        yield each._replace(outputs={**each.outputs, **changed}) if changed else each


def _outputs(children: Iterable[Resource], known: set[Principal]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    own = [each for each in children if not each.external]
    for each in own:
        if each.type == types.ROLE:
            trust = each.inputs.get("assumeRolePolicy")
            others = {each for each in principals_of(known_text(trust)) - known if each[0] != "Federated"}
            found |= {} if others else {outputs.TRUST_POLICY: trust}
            found[outputs.ROLE_SETTINGS] = {key: each.inputs[key] for key in types.ROLE_SETTINGS if key in each.inputs}
            # Those that are attached are resources, too.
            found[outputs.POLICY_ARNS] = []
        elif each.type == types.POLICY:
            found.setdefault(outputs.POLICY_DOCUMENTS, {})[each.arn] = each.inputs.get("policy")
        elif each.type == types.INLINE_POLICY:
            found.setdefault(outputs.INLINE_POLICIES, {})[each.text("name")] = each.inputs.get("policy")
        elif each.type == types.POD_IDENTITY_ASSOCIATION:
            if cluster := cluster_of_association(each.text("associationArn")):
                found.setdefault(outputs.ASSOCIATIONS, []).append({**each.inputs, "clusterArn": cluster})
        elif each.type in {types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH}:
            annotations = mapping_of(mapping_of(each.inputs.get("metadata")).get("annotations"))
            found[outputs.ANNOTATIONS] = {key: value for key, value in annotations.items() if key.startswith(PREFIX)}
    return found
