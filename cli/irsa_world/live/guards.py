"""Which service accounts the guards of a cluster guard now, by their policies, bindings and ConfigMaps."""

from collections.abc import Iterator, Mapping
from typing import Any

from irsa.guard.policies import IDENTITY, STACK_LABEL, name_of, policy, selected_namespaces
from irsa.guard.rules import parsed_data
from irsa_world.compare import of_guard_object
from irsa_world.exits import NoPermissionError
from irsa_world.live.kubernetes import ClusterClient, NoSuchKindError
from irsa_world.model import CANNOT_TELL, Guarded, Guards
from irsa_world.report.checks import Check, Outcome

AS_WRITTEN = Check("", "guard", Outcome.OK, "")


def guards_of(cluster: ClusterClient) -> Guards:
    """Return who is guarded in a cluster; nobody where it is older than Kubernetes 1.30.

    It takes two lists, and a request for each ConfigMap in use, mostly one for each stack. Of one that may not be
    read, only the namespaces are known. What is not as irsa writes it, in this version, may guard anybody or nobody.

    Raises:
        CouldNotLookError: The cluster does not answer, or denies it.
    """
    found: dict[tuple[str, str], list[Guarded]] = {}
    try:
        bindings = cluster.objects_of("validatingadmissionpolicybindings", STACK_LABEL)
        live = cluster.objects_of("validatingadmissionpolicies", STACK_LABEL) if bindings else []
    except NoSuchKindError:
        return found
    policies = {each["metadata"]["name"]: each for each in live}
    for stack, mode, namespaces, config_map in _of_identity(bindings, policies):
        try:
            data = cluster.object_of("configmaps", *config_map) or {}
        except NoPermissionError:
            for namespace in namespaces:
                found.setdefault((namespace, ""), []).append(Guarded(stack))
            continue
        for each in parsed_data(data.get("data") or {}):
            if each.namespace in namespaces:
                found.setdefault((each.namespace, each.name), []).append(Guarded(stack, mode, str(each.role_arn)))
    return found


def _of_identity(
    bindings: list[Any], policies: Mapping[str, Any]
) -> Iterator[tuple[str, str, set[str], tuple[str, str]]]:
    """Yield the bindings of a missing identity: stack, mode, namespaces, and name and namespace of the ConfigMap."""
    for each in bindings:
        stack, spec = (each["metadata"].get("labels") or {}).get(STACK_LABEL, ""), each.get("spec") or {}
        parameters, actions = spec.get("paramRef") or {}, spec.get("validationActions") or ()
        name, namespace, policy_name = parameters.get("name"), parameters.get("namespace"), name_of(stack, IDENTITY)
        if spec.get("policyName") == policy_name in policies and name and namespace and actions:
            selector = {"namespaceSelector": (spec.get("matchResources") or {}).get("namespaceSelector")}
            reference = {"name": name, "namespace": namespace, "parameterNotFoundAction": "Allow"}
            written = {**spec, "paramRef": reference, "matchResources": selector}
            both = ((written, each), (policy(stack, IDENTITY)["spec"], policies[policy_name]))
            differences = [found for pair in both for found in of_guard_object(AS_WRITTEN, "", *pair)]
            mode = CANNOT_TELL if differences else "deny" if "Deny" in actions else "warn"
            yield stack, mode, selected_namespaces(spec), (name, namespace)
