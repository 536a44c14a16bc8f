"""The World of a stack before a preview's steps, and the one after them. Pure.

What a preview does not know yet has an ARN that nothing else can have: see `irsa_world.model.UNNAMED`.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from irsa import types
from irsa.outputs import COMPONENT_TYPE
from irsa.rules.arns import (
    Arn,
    ClusterArn,
    cluster_of_association,
    issuer_host_path,
    parse_cluster_arn,
    parse_iam_arn,
)
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import parse_object
from irsa.rules.unknown import Unknown
from irsa_world.model import UNNAMED, Association, AwsAccount, ManagedPolicy, Role, World
from irsa_world.state.preview import CREATE, DELETE, IMPORT, REPLACE, UPDATE, Step
from irsa_world.state.resource import Resource, is_secret, is_unknown, known_text
from irsa_world.trusts.clusters import clusters_named


def _marker(reason: str) -> Any:
    """Return what takes the place of a value, whatever its type is; another one for each call."""
    return Unknown(reason)


UNREAD = _marker("what it says is a secret, is no policy, or is known only at `pulumi up`")
CHANGES_UNREAD = _marker("it changes, and what it says is a secret, is no policy, or is known only at `pulumi up`")
NOT_THERE = _marker(
    "the role is not in the preview, and the state was not read: another policy of it may have these, too"
)
SEVERAL = _marker("several resources of the stack are this role, with different trust policies")
# Two secrets look alike.
BOUNDARY_UNKNOWN, OTHER_UNKNOWN = (f"not known until `pulumi up`{UNNAMED}{each})" for each in ("one", "another one"))
# Stands for every key of a tag.
ANY_TAG = "*"
TRUST_POLICY, POLICY_DOCUMENT, OWN_POLICIES = "assumeRolePolicy", "policy", "inlinePolicies"
BOUNDARY, OWN_ATTACHED = "permissionsBoundary", "managedPolicyArns"
# What a role has once, and by which input of the resource.
_BY_NAME = {types.INLINE_POLICY: "name", types.ATTACHMENT: "policyArn"}
Owner = Callable[[Resource], str]


# The resources before and after, by URN.
Both = tuple[Mapping[str, Resource], Mapping[str, Resource]]


def resources_before_and_after(state: Iterable[Resource], steps: Iterable[Step]) -> Both:
    """Return the resources of a stack by URN, before a preview's steps and after them."""
    steps = [each for each in steps if not (each.operation == DELETE and each.resource.pending)]
    # What is created is not there, whatever the state has: `--refresh` found it deleted.
    created = {each.resource.urn for each in steps if each.operation == CREATE}
    old = {each.urn: each for each in state if not each.pending and each.urn not in created}
    old |= {each.old.urn: each.old for each in steps if each.old}
    gone = {each.old.urn for each in steps if each.old}
    new = {name: each for name, each in old.items() if name not in gone}
    for step in steps:
        if step.old and step.old.retained and step.operation in {DELETE, REPLACE}:
            # If another resource takes it over, that one says what it becomes.
            new = {f"retained {step.old.urn}": step.old, **new}
        if step.new:
            # An import alone changes nothing: what differs is updated, which is a step with both sides.
            old |= {step.new.urn: step.new} if step.operation == IMPORT else {}
            kept = step.old.outputs if step.old and step.operation == UPDATE else {}
            new[step.new.urn] = step.new._replace(outputs={**kept, **step.new.outputs})
    return old, new


def planned_worlds(both: Both, steps: Sequence[Step]) -> tuple[World, World]:
    """Return what a stack has before a preview's steps and after them; a state that was not read has no resources.

    Their AWS accounts have what is the stack's own, and no clusters: which these are, only they say.
    """
    old, new = both
    arns = _Arns([*old.values(), *new.values()])
    changing = {(each.new.urn, name) for each in steps if each.new for name in each.reasons}
    # What `pulumi up` attaches is not attached yet, though it is there: an earlier one may have failed between.
    coming, going = (
        [each for urn, each in one.items() if urn not in other and each.type == types.ATTACHMENT]
        for one, other in ((new, old), (old, new))
    )
    taken = [each for urn, each in old.items() if not (urn in new or each.retained) and each.type in _BY_NAME]
    return (
        _world(old.values(), arns, _Change(coming)),
        _world(new.values(), arns, _Change(going, changing, taken)),
    )


def aws_accounts_of(state: Iterable[Resource]) -> set[str]:
    """Return the numbers of the AWS accounts in which a stack has roles or OIDC providers."""
    return {number for _, number in _Arns([each for each in state if not each.external]).aws_accounts.values()}


class _Arns:
    """The ARNs of resources, as they are, or are going to be; or ones that only mean them."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        """Find the AWS accounts, partition and number, of the providers that created something there."""
        self.aws_accounts: dict[str, tuple[str, str]] = {}
        self._alike: dict[tuple[str, ...], dict[str, int]] = {}
        for each in resources:
            if each.type in {types.ROLE, types.OIDC_PROVIDER} and (arn := self.known(each)):
                self.aws_accounts.setdefault(each.provider, (arn.partition, arn.account_id))
            with contextlib.suppress(Mistake):
                cluster = parse_cluster_arn(cluster_of_association(each.text("associationArn")))
                self.aws_accounts.setdefault(each.provider, (cluster.partition, cluster.account_id))

    def known(self, resource: Resource) -> Arn | None:
        """Return the ARN of a role or an OIDC provider; None where it is not known."""
        inputs = resource.inputs
        if resource.type == types.ROLE:
            kind, name = "role", known_text(inputs.get("name"))
            found = name and Arn.with_path(known_text(inputs.get("path")), name)
        else:
            kind, found = "oidc-provider", issuer_host_path(known_text(inputs.get("url")))
        with contextlib.suppress(Mistake):
            return parse_iam_arn(known_text(resource.outputs.get("arn")) or resource.id, kind)
        place = self.aws_accounts.get(resource.provider)
        return Arn(*place, kind, found) if found and place else None

    def of_role(self, resource: Resource) -> str:
        name = known_text(resource.inputs.get("name")) or resource.name
        return str(self.known(resource) or self.unnamed("role", resource, name, "not created yet"))

    def of_policy(self, resource: Resource) -> str:
        return resource.arn or self.unnamed("policy", resource, resource.name, "not created yet")

    def unnamed(self, kind: str, of: Resource, name: str, why: str, key: str = "") -> str:
        """Return what stands for an ARN; two of them may have one name, with parents of other types."""
        partition, number = self.aws_accounts.get(of.provider, ("aws", ""))
        alike = self._alike.setdefault((partition, number, kind, name), {})
        place = alike.setdefault(key or of.urn, len(alike) + 1)
        return f"arn:{partition}:iam::{number}:{kind}/{name}{UNNAMED}{why}{f' {place}' if place > 1 else ''})"


class _Change(NamedTuple):
    """What is otherwise at the other time.

    Attributes:
        not_attached: The attachments that there are at the other time alone.
        properties: The properties that the engine says change, each with the URN of its resource.
        taken: What is deleted of a role, also where another resource says that the role has it.
    """

    not_attached: Sequence[Resource]
    properties: Set[tuple[str, str]] = frozenset()
    taken: Sequence[Resource] = ()


def _world(resources: Iterable[Resource], arns: _Arns, change: _Change) -> World:
    """Return what a stack has, with the ARNs of its resources."""
    of_types: dict[str, list[Resource]] = {}
    for each in (part for resource in resources if not resource.external for part in _with_parts(resource)):
        of_types.setdefault(each.type, []).append(each)
    roles: dict[str, Role] = {}
    for each in of_types.get(types.ROLE, ()):
        arn, trust = arns.of_role(each), _document(each, change, TRUST_POLICY)
        there = roles.get(arn)
        boundary = each.inputs.get(BOUNDARY)
        is_other = is_secret(boundary) and (each.urn, BOUNDARY) in change.properties
        unknown = OTHER_UNKNOWN if is_other else BOUNDARY_UNKNOWN
        roles[arn] = Role(
            arn,
            trust if there is None or there.trust == trust else SEVERAL,
            tags=_tags(each, change),
            permissions_boundary=(known_text(boundary) or unknown) if boundary else "",
        )
    owner = _owner_of(of_types.get(types.ROLE, ()), arns)
    policies = {arns.of_policy(each): _document(each, change) for each in of_types.get(types.POLICY, ())}
    inline, attached = _policies_of_roles(of_types, owner, arns, change)
    # A preview has no step for a role that stays as it is: what has its policies alone is known by its name.
    for arn in dict.fromkeys((*inline, *attached)):
        role = roles.get(arn) or Role(arn, NOT_THERE)
        of_role = tuple(sorted(attached.get(arn, ())))
        roles[arn] = Role(
            arn, role.trust, None, None, True, role.tags, of_role, inline.get(arn, {}), role.permissions_boundary
        )
    associations: dict[str, dict[str, list[Association]]] = {}
    for each in of_types.get(types.POD_IDENTITY_ASSOCIATION, ()):
        role_arn = owner(each)
        found = _association(each, role_arn, _cluster_of(each, roles.get(role_arn), arns), change)
        associations.setdefault(_number(found.role_arn), {}).setdefault(found.cluster_arn, []).append(found)
    providers = [(str(known), each) for each in of_types.get(types.OIDC_PROVIDER, ()) if (known := arns.known(each))]
    numbers = {*map(_number, (*roles, *policies, *(arn for arn, _ in providers))), *associations}
    aws_accounts = (
        AwsAccount(
            number,
            tuple(each for arn, each in roles.items() if _number(arn) == number),
            {arn: _client_ids(each) for arn, each in providers if _number(arn) == number},
            policies=tuple(ManagedPolicy(arn, each) for arn, each in policies.items() if _number(arn) == number),
            associations={arn: tuple(each) for arn, each in associations.get(number, {}).items()},
            is_whole=False,
        )
        for number in sorted(numbers)
    )
    return World((), tuple(aws_accounts))


def _number(arn: str) -> str:
    """Return the AWS account of an ARN; nothing of a text that is none."""
    return [*arn.split(":", 5), *[""] * 5][4]


def _with_parts(resource: Resource) -> Iterator[Resource]:
    """Yield a resource, and what gives permissions within it as if it were a resource of its own."""
    yield resource
    if resource.type not in {types.ROLE, types.POLICY_ATTACHMENT}:
        return
    own, inputs = resource._replace(parent=resource.urn, roles=(resource.urn,)), resource.inputs
    arns, inline, roles = (items_of(inputs.get(each) or []) for each in (OWN_ATTACHED, OWN_POLICIES, "roles"))
    documents = (mapping_of(each).get(POLICY_DOCUMENT) for each in inline)
    parts = [(own, types.ATTACHMENT, {"policyArn": arn}) for arn in arns]
    parts += [(own, types.INLINE_POLICY, {POLICY_DOCUMENT: each}) for each in documents]
    parts += [(resource, types.ATTACHMENT, {**inputs, "role": each}) for each in roles]
    for number, (of, type_, written) in enumerate(parts):
        yield of._replace(urn=f"{resource.urn} {number}", type=type_, inputs=written, outputs={})


def _policies_of_roles(
    of_types: Mapping[str, Sequence[Resource]], owner: Owner, arns: _Arns, change: _Change
) -> tuple[dict[str, dict[str, Any]], dict[str, set[str]]]:
    """Return documents by the ARN of the role and by name, and the ARNs of its managed policies.

    A policy belongs to its component, and to whatever it is attached to. What nobody knows of a role has its URN.
    """
    by_urn = {each.urn: arns.of_policy(each) for each in of_types.get(types.POLICY, ())}

    def arns_of(attachment: Resource) -> list[str]:
        arn = known_text(attachment.inputs.get("policyArn"))
        return [arn] if arn else [by_urn[urn] for urn in attachment.policies if urn in by_urn]

    def named(part: Resource) -> tuple[str, str, str]:
        return owner(part), part.type, known_text(part.inputs.get(_BY_NAME[part.type])) or part.urn

    gone = {*map(named, change.taken)}
    documents: dict[str, dict[str, Any]] = {}
    attached: dict[str, set[str]] = {}
    for each in of_types.get(types.INLINE_POLICY, ()):
        of_role, name = documents.setdefault(owner(each), {}), known_text(each.inputs.get("name")) or each.urn
        # Of two with one name, the role has the document that was written last, and none once one is deleted.
        unread = CHANGES_UNREAD if named(each) in gone else UNREAD if name in of_role else None
        of_role[name] = unread or _document(each, change)
    loose = {(arn, each.parent) for each in change.not_attached for arn in arns_of(each)}
    for each in of_types.get(types.POLICY, ()):
        if is_of_component(each) and (by_urn[each.urn], each.parent) not in loose:
            attached.setdefault(owner(each), set()).add(by_urn[each.urn])
    for each in of_types.get(types.ATTACHMENT, ()):
        key = owner(each)
        if named(each) in gone:
            documents.setdefault(key, {})[each.urn] = CHANGES_UNREAD
        elif those := arns_of(each):
            attached.setdefault(key, set()).update(those)
        else:
            changes = (each.parent, OWN_ATTACHED) in change.properties
            documents.setdefault(key, {})[each.urn] = CHANGES_UNREAD if changes else UNREAD
    return documents, attached


def _owner_of(resources: Iterable[Resource], arns: _Arns) -> Owner:
    """Return a function from a policy, an attachment or an association to the ARN of its role.

    A role is its ARN, or a name in the AWS account of a provider. Where a preview knows neither yet, the engine knows
    on which resource that depends; else it is the role of the component.
    """
    by_urn = {each.urn: arns.of_role(each) for each in resources}
    by_name: dict[tuple[str, str], str] = {}
    of_components: dict[str, list[str]] = {}
    for each in resources:
        arn = by_urn[each.urn]
        if name := ("" if UNNAMED in arn else Arn.name_in(arn)) or known_text(each.inputs.get("name")):
            by_name[each.provider, name] = arn
        if is_of_component(each):
            of_components.setdefault(each.parent, []).append(arn)

    def owner(of: Resource) -> str:
        name, arn = (known_text(of.inputs.get(each)) for each in ("role", "roleArn"))
        found = arn or by_name.get((of.provider, name)) or _only([by_urn[urn] for urn in of.roles if urn in by_urn])
        # One that a component has for another role than its own is none of its own.
        is_own = is_of_component(of) and not (name and of.parent in of_components)
        if not found and is_own:
            found = _only(of_components.get(of.parent, ()))
        key = of.parent if is_own else f"{of.provider}::{name or of.urn}"
        return found or arns.unnamed("role", of, key.rsplit("::", 1)[-1], "not in the preview", key)

    return owner


def _only(found: Sequence[str]) -> str:
    return found[0] if len(found) == 1 else ""


def _association(resource: Resource, role_arn: str, cluster_arn: str, change: _Change) -> Association:
    names = ("namespace", "serviceAccount", "targetRoleArn")
    found: dict[str, Any] = {name: known_text(resource.inputs.get(name)) for name in names}
    found |= {
        "clusterArn": cluster_arn,
        "roleArn": role_arn,
        "disableSessionTags": resource.inputs.get("disableSessionTags"),
    }
    if resource.inputs.get(POLICY_DOCUMENT) is not None:
        document = _document(resource, change)
        found["policy"] = document if isinstance(document, Unknown) else json.dumps(document, sort_keys=True)
    return Association.of(found)


def _cluster_of(resource: Resource, role: Role | None, arns: _Arns) -> str:
    """Return the ARN of the cluster of an association; its name where region or AWS account are not known.

    Its role is in the AWS account of its cluster. Where nothing has that, it is a cluster that the trust policy names,
    or the role refuses it.
    """
    if arn := cluster_of_association(resource.text("associationArn")):
        return arn
    region, name = (known_text(resource.inputs.get(each)) for each in ("region", "clusterName"))
    partition, aws_account = arns.aws_accounts.get(resource.provider, ("", ""))
    with contextlib.suppress(Mistake):
        partition, aws_account, *_ = parse_iam_arn(known_text(resource.inputs.get("roleArn")), "role")
    trust = role.trust if role and isinstance(role.trust, Mapping) else None
    trusted = [each for each in clusters_named(trust) if (each.region, each.name) == (region, name)]
    if aws_account and region and name:
        return str(ClusterArn(partition, region, aws_account, name))
    return str(trusted[0]) if len(trusted) == 1 and not aws_account else f"{name}{UNNAMED}{resource.urn})"


def is_of_component(resource: Resource) -> bool:
    """Return whether a resource is one of a ServiceAccountRole."""
    return f"::{COMPONENT_TYPE}::" in resource.parent.replace("$", "::")


def _document(resource: Resource, change: _Change, name: str = POLICY_DOCUMENT) -> Any:
    """Return a document of a resource; a marker where it is not known, another one where it changes."""
    written = resource.inputs.get(name)
    is_told = (resource.urn, name) in change.properties or (resource.parent, OWN_POLICIES) in change.properties
    unread = CHANGES_UNREAD if is_told or is_unknown(written) else UNREAD
    try:
        known = not is_secret(written) and not is_unknown(written)
        return (written if isinstance(written, Mapping) else parse_object(str(written))) if known else unread
    except Mistake:
        return unread


def _tags(role: Resource, change: _Change) -> Mapping[str, Any]:
    """Return a role's tags, with those of its provider; and ANY_TAG where the engine says that secret ones change."""
    written = [role.inputs.get(name) or {} for name in ("tagsAll", "tags")]
    changes = is_secret(written) and any((role.urn, name) in change.properties for name in ("tags", "tagsAll"))
    known = {
        key: value
        for each in written
        for key, value in (each if isinstance(each, Mapping) else {ANY_TAG: str(each)}).items()
    }
    return {**known, ANY_TAG: CHANGES_UNREAD} if changes else known


def _client_ids(provider: Resource) -> Any:
    listed = provider.inputs.get("clientIdLists")
    return tuple(listed) if isinstance(listed, list) and all(map(known_text, listed)) else UNREAD
