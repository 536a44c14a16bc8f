"""The roles and IAM OIDC providers of a stack, before and after a deployment. Pure."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from irsa import types
from irsa.evaluation import TrustDocumentError
from irsa.evaluation.document import Parsed, parse
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
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import Unknown
from irsa_cli.diff.preview import CREATE, DELETE, IMPORT, REPLACE, UPDATE, Step
from irsa_cli.diff.world import ANY_TAG, NOT_THERE, NOTHING, UNKNOWN_ARN, UNREAD, Permits, Role, World, place_of
from irsa_world.model import Association
from irsa_world.state.resource import Resource, is_secret, is_unknown, known_text
from irsa_world.trusts.chains import Document
from irsa_world.trusts.clusters import clusters_named
from irsa_world.trusts.trust import allowed_principals

CHANGES_UNREAD = Unknown("it changes, and what it says is not in the preview")
TRUST_POLICY, POLICY_DOCUMENT, OWN_POLICIES = "assumeRolePolicy", "policy", "inlinePolicies"
BOUNDARY, OWN_ATTACHED = "permissionsBoundary", "managedPolicyArns"
UNKNOWN_UNTIL_UP = "its trust policy is not known until `pulumi up`"
SEVERAL = "several resources of the stack are this role, with different trust policies"
SECRET_TRUST = "its trust policy is a secret"  # noqa: S105 (a sentence)
SERVICE_ACCOUNTS = (types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH)
# What a role has once, and by which input of the resource.
_BY_NAME = {types.INLINE_POLICY: "name", types.ATTACHMENT: "policyArn"}
# Partition and number, by the reference of the provider that leads there.
AwsAccounts = Mapping[str, tuple[str, str]]
# The properties that the engine says change, each with the URN of its resource.
Changing = Set[tuple[str, str]]
Owner = Callable[[Resource], str]


def resources_before_and_after(
    state: Iterable[Resource], steps: Iterable[Step]
) -> tuple[dict[str, Resource], dict[str, Resource]]:
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


def before_and_after(state: Iterable[Resource], steps: Sequence[Step]) -> tuple[World, World]:
    """Return what a stack has before a preview's steps and after them; a state that was not read has no resources."""
    old, new = resources_before_and_after(state, steps)
    aws_accounts = _aws_accounts([*old.values(), *new.values()])
    changing = {(each.new.urn, name) for each in steps if each.new for name in each.reasons}
    # What `pulumi up` attaches is not attached yet, though it is there: an earlier one may have failed between.
    coming, going = (
        [each for urn, each in one.items() if urn not in other and each.type == types.ATTACHMENT]
        for one, other in ((new, old), (old, new))
    )
    taken = [each for urn, each in old.items() if not (urn in new or each.retained) and each.type in _BY_NAME]
    return (
        _world(old.values(), aws_accounts, coming),
        _world(new.values(), aws_accounts, going, changing, taken),
    )


def _world(
    resources: Iterable[Resource],
    aws_accounts: AwsAccounts,
    not_attached: Iterable[Resource],
    changing: Changing = frozenset(),
    taken: Iterable[Resource] = (),
) -> World:
    """Return what a stack has.

    Args:
        resources: Its resources.
        aws_accounts: The AWS accounts of its providers, as far as they are known.
        not_attached: The attachments that it has at the other time.
        changing: The properties that the engine says change.
        taken: What is deleted of a role, also where another resource says that the role has it.
    """
    of_types: dict[str, list[Resource]] = {}
    for each in (part for resource in resources if not resource.external for part in _with_parts(resource)):
        of_types.setdefault(each.type, []).append(each)
    roles: dict[str, Role] = {}
    keys: dict[str, str] = {}
    for each in of_types.get(types.ROLE, ()):
        role = _role(each, aws_accounts, changing)
        keys[each.urn] = key = role.arn or each.urn
        known = roles.get(key, role)
        roles[key] = role if known.trust == role.trust else role._replace(trust=None, problem=SEVERAL, parsed=NOTHING)
    owner = _owner_of(of_types.get(types.ROLE, ()), keys, roles)
    documents, attached, policies_by_arn = _policies(of_types, owner, not_attached, changing, taken)
    own_documents = {arn: policy for arn, (_, policy) in policies_by_arn.items()}
    urns_in_use = {urn for each in documents.values() for urn in each}
    in_use = {arn for arn, (urn, _) in policies_by_arn.items() if urn in urns_in_use}
    associated: dict[str, list[Association]] = {}
    session_policies: dict[str, dict[tuple[str, str], Document]] = {}
    sessions: dict[str, set[tuple[str, str, bool]]] = {}
    for each in of_types.get(types.POD_IDENTITY_ASSOCIATION, ()):
        key = owner(each)
        association = _association(each, key, roles.get(key), aws_accounts)
        associated.setdefault(key, []).append(association)
        # The session of a target role has the tags of the first one, too.
        for arn in filter(None, (key, association.target_role_arn)):
            sessions.setdefault(arn, set()).add((place_of(association), association.subject, association.session_tags))
        if each.inputs.get(POLICY_DOCUMENT) is not None:
            of_role = session_policies.setdefault(key, {})
            of_role[place_of(association), association.subject] = _document(each, changing)

    def whole(key: str, role: Role) -> Role:
        old = role.permits
        limits = own_documents.get(old.boundary, old.limits) if old.boundary else None
        policies = [*documents.get(key, {}).values()], frozenset(attached.get(key, ()))
        has_tokens = any(type_ == "Federated" for type_, _ in allowed_principals(role.parsed[1]))
        those = frozenset({*sessions.get(key, ()), *([("a token", "", False)] if has_tokens else [])})
        permits = Permits(*policies, old.boundary, limits, old.tags, those)
        associations = tuple(sorted({*associated.get(key, ())}, key=repr))
        return role._replace(associations=associations, permits=permits, session_policies=session_policies.get(key, {}))

    # A preview has no step for a role that stays as it is: what has its policies alone is known by its name.
    others = dict.fromkeys((*(key for key, each in documents.items() if each), *attached, *associated))
    return World(
        {key: whole(key, role) for key, role in roles.items()},
        {key: whole(key, _unseen(key)) for key in others if key not in roles},
        dict(_client_ids(of_types.get(types.OIDC_PROVIDER, ()), aws_accounts)),
        frozenset(subject for type_ in SERVICE_ACCOUNTS for e in of_types.get(type_, ()) for subject in subjects_of(e)),
        own_documents,
        keys,
        frozenset(in_use | {each.permits.boundary for each in roles.values()}),
    )


def _unseen(key: str) -> Role:
    """Return a role that is not in the stack, by its ARN, its name or whose it is."""
    arn = key if key.startswith("arn:") else ""
    return Role(Arn.name_in(arn) if arn else key.rsplit("::", 1)[-1], arn, problem=NOT_THERE)


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


def _policies(
    of_types: Mapping[str, Sequence[Resource]],
    owner: Owner,
    not_attached: Iterable[Resource],
    changing: Changing,
    taken: Iterable[Resource],
) -> tuple[dict[str, dict[str, Document]], dict[str, set[str]], dict[str, tuple[str, Document]]]:
    """Return documents by the key of the role, and by URN; ARNs of others' policies; URNs and documents by ARN.

    A policy belongs to its component, and to whatever it is attached to.
    """
    policies = {each.urn: _document(each, changing) for each in of_types.get(types.POLICY, ())}
    urns = {each.arn: each.urn for each in of_types.get(types.POLICY, ()) if each.arn}

    def own_policies(attachment: Resource) -> list[str]:
        arn = known_text(attachment.inputs.get("policyArn"))
        return [urn for urn in ([urns.get(arn, "")] if arn else attachment.policies) if urn in policies]

    def named(part: Resource) -> tuple[str, str, str]:
        return owner(part), part.type, known_text(part.inputs.get(_BY_NAME[part.type])) or part.urn

    gone = {*map(named, taken)}
    documents: dict[str, dict[str, Document]] = {}
    attached: dict[str, set[str]] = {}
    for each in of_types.get(types.INLINE_POLICY, ()):
        of_role, name = documents.setdefault(owner(each), {}), known_text(each.inputs.get("name")) or each.urn
        # Of two with one name, the role has the document that was written last, and none once one is deleted.
        unread = CHANGES_UNREAD if named(each) in gone else UNREAD if name in of_role else None
        of_role[name] = unread or _document(each, changing)
    loose = {(urn, each.parent) for each in not_attached for urn in own_policies(each)}
    for each in of_types.get(types.POLICY, ()):
        if is_of_component(each) and (each.urn, each.parent) not in loose:
            documents.setdefault(owner(each), {})[each.urn] = policies[each.urn]
    for each in of_types.get(types.ATTACHMENT, ()):
        key, arn = owner(each), known_text(each.inputs.get("policyArn"))
        if named(each) in gone:
            documents.setdefault(key, {})[each.urn] = CHANGES_UNREAD
        elif urns_of_own := own_policies(each):
            documents.setdefault(key, {}).update({urn: policies[urn] for urn in urns_of_own})
        elif arn:
            attached.setdefault(key, set()).add(arn)
        else:
            changes = (each.parent, OWN_ATTACHED) in changing
            documents.setdefault(key, {})[each.urn] = CHANGES_UNREAD if changes else UNREAD
    return documents, attached, {arn: (urn, policies[urn]) for arn, urn in urns.items()}


def _owner_of(resources: Iterable[Resource], keys: Mapping[str, str], roles: Mapping[str, Role]) -> Owner:
    """Return a function from a policy, an attachment or an association to the key of its role, or of another one.

    A role is its ARN, or a name in the AWS account of a provider. Where a preview knows neither yet, the engine knows
    on which resource that depends; else it is the role of the component.
    """
    by_name: dict[tuple[str, str], str] = {}
    of_components: dict[str, list[str]] = {}
    for each in resources:
        key = keys[each.urn]
        if name := Arn.name_in(roles[key].arn) or known_text(each.inputs.get("name")):
            by_name[each.provider, name] = key
        if is_of_component(each):
            of_components.setdefault(each.parent, []).append(key)

    def owner(of: Resource) -> str:
        name, arn = (known_text(of.inputs.get(each)) for each in ("role", "roleArn"))
        depended_on = [keys[urn] for urn in of.roles if urn in keys]
        found = by_name.get((of.provider, name)) or _only(depended_on)
        # One that a component has for another role than its own is none of its own.
        is_own = is_of_component(of) and not (name and of.parent in of_components)
        of_component = _only(of_components.get(of.parent, ())) or f"::{of.parent}"
        return arn or found or (of_component if is_own else f"{of.provider}::{name or of.urn}")

    return owner


def _only(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else ""


def _association(resource: Resource, key: str, role: Role | None, aws_accounts: AwsAccounts) -> Association:
    names = ("clusterName", "region", "namespace", "serviceAccount", "targetRoleArn")
    cluster, region, namespace, name, target = (known_text(resource.inputs.get(each)) for each in names)
    arn = cluster_of_association(resource.text("associationArn"))
    arn = arn or _cluster_arn(resource, role, aws_accounts, region, cluster)
    tags, by_urn = resource.inputs.get("disableSessionTags") is not True, "" if arn else resource.urn
    place = arn or cluster, namespace, name, key
    return Association(*place, association_arn=by_urn, session_tags=tags, target_role_arn=target)


def _cluster_arn(resource: Resource, role: Role | None, aws_accounts: AwsAccounts, region: str, name: str) -> str:
    """Return the ARN of the cluster of a new association; empty where its region or AWS account is not known.

    Its role is in the AWS account of its cluster. Where nothing has that, it is a cluster that the trust policy names,
    or the role refuses it.
    """
    partition, aws_account = aws_accounts.get(resource.provider, ("", ""))
    with contextlib.suppress(Mistake):
        partition, aws_account, *_ = parse_iam_arn(known_text(resource.inputs.get("roleArn")), "role")
    if aws_account:
        return str(ClusterArn(partition, region, aws_account, name)) if region and name else ""
    trusted = {
        each for each in clusters_named(role.trust if role else None) if (each.region, each.name) == (region, name)
    }
    return str(trusted.pop()) if len(trusted) == 1 else ""


def is_of_component(resource: Resource) -> bool:
    """Return whether a resource is one of a ServiceAccountRole."""
    return f"::{COMPONENT_TYPE}::" in resource.parent.replace("$", "::")


def _document(policy: Resource, changing: Changing) -> Document:
    """Return a policy's document; a marker where it is not known, another one where the engine says that it changes."""
    changes = (policy.urn, POLICY_DOCUMENT) in changing or (policy.parent, OWN_POLICIES) in changing
    written, unread = policy.inputs.get(POLICY_DOCUMENT), CHANGES_UNREAD if changes else UNREAD
    try:
        known = not is_secret(written) and not is_unknown(written)
        return (written if isinstance(written, Mapping) else parse_object(str(written))) if known else unread
    except Mistake:
        return unread


def _tags(role: Resource, changing: Changing) -> Mapping[str, Any]:
    """Return a role's tags, with those of its provider; and ANY_TAG where the engine says that secret ones change."""
    written = [role.inputs.get(name) or {} for name in ("tagsAll", "tags")]
    changes = is_secret(written) and any((role.urn, name) in changing for name in ("tags", "tagsAll"))
    known = {
        key: value
        for each in written
        for key, value in (each if isinstance(each, Mapping) else {ANY_TAG: str(each)}).items()
    }
    return {**known, ANY_TAG: CHANGES_UNREAD} if changes else known


def subjects_of(resource: Resource) -> list[str]:
    """Return the service account that a resource is, as `namespace:name`, where that is known."""
    metadata = mapping_of(resource.inputs.get("metadata"))
    name, namespace = known_text(metadata.get("name")), known_text(metadata.get("namespace", DEFAULT_NAMESPACE))
    return [f"{namespace}:{name}"] if name and namespace else []


def aws_accounts_of(state: Iterable[Resource]) -> set[str]:
    """Return the numbers of the AWS accounts in which a stack has roles or OIDC providers."""
    return {number for _, number in _aws_accounts(each for each in state if not each.external).values()}


def _aws_accounts(resources: Iterable[Resource]) -> dict[str, tuple[str, str]]:
    """Return the AWS accounts of the providers that created something there."""
    found: dict[str, tuple[str, str]] = {}
    for each in resources:
        if each.type in {types.ROLE, types.OIDC_PROVIDER} and (arn := _arn(each, {})):
            found.setdefault(each.provider, (arn.partition, arn.account_id))
        with contextlib.suppress(Mistake):
            cluster = parse_cluster_arn(cluster_of_association(each.text("associationArn")))
            found.setdefault(each.provider, (cluster.partition, cluster.account_id))
    return found


def _arn(resource: Resource, aws_accounts: AwsAccounts) -> Arn | None:
    """Return the ARN of a role or an OIDC provider, as it is or is going to be; None where that is not known."""
    inputs = resource.inputs
    if resource.type == types.ROLE:
        kind, name = "role", known_text(inputs.get("name"))
        found = name and Arn.with_path(known_text(inputs.get("path")), name)
    else:
        kind, found = "oidc-provider", issuer_host_path(known_text(inputs.get("url")))
    with contextlib.suppress(Mistake):
        return parse_iam_arn(known_text(resource.outputs.get("arn")) or resource.id, kind)
    return Arn(*aws_accounts[resource.provider], kind, found) if found and resource.provider in aws_accounts else None


def _role(resource: Resource, aws_accounts: AwsAccounts, changing: Changing) -> Role:
    arn = _arn(resource, aws_accounts)
    aws_account = (arn.partition, arn.account_id) if arn else aws_accounts.get(resource.provider, ("aws", ""))
    name = arn.name if arn else known_text(resource.inputs.get("name")) or resource.name
    written = resource.inputs.get(BOUNDARY)
    boundary = (known_text(written) or UNKNOWN_ARN) if written else ""
    limits = CHANGES_UNREAD if is_secret(written) and (resource.urn, BOUNDARY) in changing else UNREAD
    permits = Permits(boundary=boundary, limits=limits, tags=_tags(resource, changing))
    trust_changes = (resource.urn, TRUST_POLICY) in changing
    trust, problem, parsed = _trust(resource)
    return Role(name, str(arn or ""), *aws_account, trust, problem, parsed, trust_changes, permits=permits)


def _client_ids(
    providers: Iterable[Resource], aws_accounts: AwsAccounts
) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    for each in providers:
        if arn := _arn(each, aws_accounts):
            listed = each.inputs.get("clientIdLists")
            yield str(arn), tuple(listed) if isinstance(listed, list) and all(map(known_text, listed)) else None


def _trust(resource: Resource) -> tuple[Mapping[str, Any] | None, str, Parsed]:
    """Return a role's trust policy; or None, and why it is not known; and what it says, if IAM takes it."""
    written = resource.inputs.get(TRUST_POLICY)
    if is_secret(written):
        return None, SECRET_TRUST, NOTHING
    if is_unknown(written):
        return None, UNKNOWN_UNTIL_UP, NOTHING
    try:
        trust = written if isinstance(written, Mapping) else parse_object(str(written))
    except Mistake as mistake:
        return None, f"its trust policy: {mistake.found}", NOTHING
    try:
        return trust, "", parse(trust)
    except TrustDocumentError as error:
        return trust, f"its trust policy: {error}", NOTHING
