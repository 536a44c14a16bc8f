"""The roles and IAM OIDC providers of a stack, before and after a deployment. Pure."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

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
from irsa.rules.trust import POD_IDENTITY_PRINCIPAL
from irsa.rules.unknown import Unknown
from irsa_cli.diff.preview import CREATE, DELETE, IMPORT, REPLACE, UPDATE, Step
from irsa_world.model import Association
from irsa_world.state.resource import Resource, is_secret, is_unknown, known_text
from irsa_world.trusts.chains import Document, RolePolicies

UNREAD = Unknown("it is not in the preview")
UNKNOWN_ARN = "not known until `pulumi up`"
CHANGES_UNREAD = Unknown("it changes, and what it says is not in the preview")
TRUST_POLICY, POLICY_DOCUMENT, OWN_POLICIES = "assumeRolePolicy", "policy", "inlinePolicies"
UNKNOWN_UNTIL_UP = "its trust policy is not known until `pulumi up`"
SEVERAL = "several resources of the stack are this role, with different trust policies"
SECRET_TRUST = "its trust policy is a secret"  # noqa: S105 (a sentence)


# What a trust policy says that is none.
NOTHING: Parsed = ("", ())
# Stands for every key of a tag.
ANY_TAG = "*"
# Partition and number, by the reference of the provider that leads there.
AwsAccounts = Mapping[str, tuple[str, str]]
# The properties that the engine says change, each with the URN of its resource.
Changing = Set[tuple[str, str]]


class Role(NamedTuple):
    """A role of the stack.

    Attributes:
        name: Its name; while IAM has yet to choose it, its logical name.
        arn: Its ARN; empty while IAM has yet to choose its name.
        partition: The partition of its AWS account.
        aws_account: The number of its AWS account; empty where it is not known.
        trust: Its trust policy; None where it is not known.
        problem: Why it is not known, or no trust policy.
        parsed: Version and statements of its trust policy; none where it has none, or IAM would refuse it.
        trust_changes: Whether the engine says that it gets another trust policy: two secrets look alike.
        associations: The EKS Pod Identity associations that give it, sorted.
    """

    name: str
    arn: str
    partition: str
    aws_account: str
    trust: Mapping[str, Any] | None
    problem: str = ""
    parsed: Parsed = NOTHING
    trust_changes: bool = False
    associations: tuple[Association, ...] = ()


class Snapshot(NamedTuple):
    """What a stack has at one time.

    Attributes:
        roles: Its roles, by ARN, or by URN where IAM has yet to choose the name.
        client_ids: The audiences of the IAM OIDC providers that it creates, by ARN; None where they are not known.
        service_accounts: Its service accounts, as `namespace:name`.
        policies: What the policies say that it gives to a role, by the key of the role; of a role that is not in the
            stack, as far as that was read, by whose it is.
        attached: ARNs of the managed policies of others that it attaches to a role, likewise.
        boundaries: ARN of a role's permissions boundary, likewise; UNKNOWN_ARN where it is not known.
        documents: The documents of its managed policies, by ARN, as far as that is known.
        keys: The keys of its roles, by URN.
        associations: The EKS Pod Identity associations of each role that is not in the stack, by ARN; UNKNOWN_ARN where
            that is not known.
        tags: The tags of its roles, by the key of the role.
        session_policies: Their session policies, by the key or ARN of the role, the cluster (place_of) and the
            service account.
    """

    roles: Mapping[str, Role]
    client_ids: Mapping[str, tuple[str, ...] | None]
    service_accounts: frozenset[str]
    policies: Mapping[str, RolePolicies] = {}
    attached: Mapping[str, frozenset[str]] = {}
    boundaries: Mapping[str, str] = {}
    documents: Mapping[str, Document] = {}
    keys: Mapping[str, str] = {}
    associations: Mapping[str, tuple[Association, ...]] = {}
    session_policies: Mapping[tuple[str, str, str], Document] = {}
    tags: Mapping[str, Mapping[str, Any]] = {}

    def with_keys(self, keys: Mapping[str, str]) -> "Snapshot":
        """Return the same with other keys of roles."""

        def keyed(values: Mapping[str, Any]) -> dict[str, Any]:
            return {keys.get(key, key): value for key, value in values.items()}

        roles, policies, attached, boundaries = map(keyed, (self.roles, self.policies, self.attached, self.boundaries))
        session = {(keys.get(key, key), where, who): each for (key, where, who), each in self.session_policies.items()}
        found = self._replace(roles=roles, policies=policies, attached=attached, boundaries=boundaries)
        return found._replace(session_policies=session, tags=keyed(self.tags))

    def with_read(self, read: Mapping[str, Document]) -> "Snapshot":
        """Return the same with the documents of managed policies and boundaries of others, by ARN, that were read."""
        known = {**read, **self.documents}
        policies = {
            key: RolePolicies(
                [*each.documents, *(read[arn] for arn in sorted(self.attached[key]) if arn in read)],
                known.get(self.boundaries[key], UNREAD) if key in self.boundaries else None,
            )
            for key, each in self.policies.items()
        }
        return self._replace(policies=policies)


def before_and_after(state: Iterable[Resource], steps: Iterable[Step]) -> tuple[Snapshot, Snapshot]:
    """Return what a stack has before a preview's steps and after them; a state that was not read has no resources."""
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
    aws_accounts = _aws_accounts([*old.values(), *new.values()])
    changing = {(each.new.urn, name) for each in steps if each.new for name in each.reasons}
    # What `pulumi up` attaches is not attached yet, though it is there: an earlier one may have failed between.
    coming, going = (
        [each for urn, each in one.items() if urn not in other and each.type == types.ATTACHMENT]
        for one, other in ((new, old), (old, new))
    )
    return (
        _snapshot(old.values(), aws_accounts, coming),
        _snapshot(new.values(), aws_accounts, going, changing),
    )


def _snapshot(
    resources: Iterable[Resource],
    aws_accounts: AwsAccounts,
    not_attached: Iterable[Resource],
    changing: Changing = frozenset(),
) -> Snapshot:
    """Return what a stack has.

    Args:
        resources: Its resources.
        aws_accounts: The AWS accounts of its providers, as far as they are known.
        not_attached: The attachments that it has at the other time.
        changing: The properties that the engine says change.
    """
    of_types: dict[str, list[Resource]] = {}
    for each in (part for resource in resources if not resource.external for part in _with_parts(resource)):
        of_types.setdefault(each.type, []).append(each)
    roles: dict[str, Role] = {}
    keys: dict[str, str] = {}
    for each in of_types.get(types.ROLE, ()):
        role = _role(each, aws_accounts)._replace(trust_changes=(each.urn, TRUST_POLICY) in changing)
        keys[each.urn] = key = role.arn or each.urn
        known = roles.get(key, role)
        roles[key] = role if known.trust == role.trust else role._replace(trust=None, problem=SEVERAL, parsed=NOTHING)
    limits = {keys[each.urn]: each.inputs.get("permissionsBoundary") for each in of_types.get(types.ROLE, ())}
    boundaries = {key: known_text(each) or UNKNOWN_ARN for key, each in limits.items() if each}
    owners = Owners(of_types.get(types.ROLE, ()), keys, roles)
    documents, attached, own_documents = _policies(of_types, owners, not_attached, changing)
    # A preview has no step for a role that stays as it is: what has its policies alone is known by its name.
    all_keys = dict.fromkeys([*roles, *(key for key, those in {**documents, **attached}.items() if those)])
    associated: dict[str, set[Association]] = {}
    session_policies: dict[tuple[str, str, str], Document] = {}
    for each in of_types.get(types.POD_IDENTITY_ASSOCIATION, ()):
        key = owners.of_association(each)
        association = _association(each, key, roles.get(key), aws_accounts)
        associated.setdefault(key, set()).add(association)
        if each.inputs.get(POLICY_DOCUMENT) is not None:
            session_policies[key, place_of(association), association.subject] = _document(each, changing)
    given = {key: tuple(sorted(those, key=repr)) for key, those in associated.items()}
    service_accounts = (*of_types.get(types.SERVICE_ACCOUNT, ()), *of_types.get(types.SERVICE_ACCOUNT_PATCH, ()))
    return Snapshot(
        {key: role._replace(associations=given.pop(key, ())) for key, role in roles.items()},
        dict(_client_ids(of_types.get(types.OIDC_PROVIDER, ()), aws_accounts)),
        frozenset(subject for each in service_accounts for subject in subjects_of(each)),
        {
            key: RolePolicies([*documents.get(key, {}).values()], UNREAD if key in boundaries else None)
            for key in all_keys
        },
        {key: frozenset(attached.get(key, ())) for key in all_keys},
        boundaries,
        own_documents,
        keys,
        given,
        session_policies,
        {keys[each.urn]: _tags(each, changing) for each in of_types.get(types.ROLE, ())},
    )


def _with_parts(resource: Resource) -> Iterator[Resource]:
    """Yield a resource, and what gives permissions within it as if it were a resource of its own."""
    yield resource
    if resource.type not in {types.ROLE, types.POLICY_ATTACHMENT}:
        return
    own, inputs = resource._replace(parent=resource.urn, roles=(resource.urn,)), resource.inputs
    arns, inline, roles = (items_of(inputs.get(each) or []) for each in ("managedPolicyArns", OWN_POLICIES, "roles"))
    documents = (mapping_of(each).get(POLICY_DOCUMENT) for each in inline)
    parts = [(own, types.ATTACHMENT, {"policyArn": arn}) for arn in arns]
    parts += [(own, types.INLINE_POLICY, {POLICY_DOCUMENT: each}) for each in documents]
    parts += [(resource, types.ATTACHMENT, {**inputs, "role": each}) for each in roles]
    for number, (of, type_, written) in enumerate(parts):
        yield of._replace(urn=f"{resource.urn} {number}", type=type_, inputs=written, outputs={})


def _client_ids(
    providers: Iterable[Resource], aws_accounts: AwsAccounts
) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    for each in providers:
        if arn := _arn(each, aws_accounts):
            listed = each.inputs.get("clientIdLists")
            yield str(arn), tuple(listed) if isinstance(listed, list) and all(map(known_text, listed)) else None


def _policies(
    of_types: Mapping[str, Sequence[Resource]],
    owners: "Owners",
    not_attached: Iterable[Resource],
    changing: Changing,
) -> tuple[dict[str, dict[str, Document]], dict[str, set[str]], dict[str, Document]]:
    """Return the documents of roles by the key of the role, and by URN; ARNs of others' policies; documents by ARN.

    A policy belongs to its component, and to whatever it is attached to.
    """
    policies = {each.urn: _document(each, changing) for each in of_types.get(types.POLICY, ())}
    urns = {each.text("arn"): each.urn for each in of_types.get(types.POLICY, ()) if each.text("arn")}

    def own_policies(attachment: Resource) -> list[str]:
        arn = known_text(attachment.inputs.get("policyArn"))
        return [urn for urn in ([urns.get(arn, "")] if arn else attachment.policies) if urn in policies]

    documents: dict[str, dict[str, Document]] = {}
    attached: dict[str, set[str]] = {}
    for each in of_types.get(types.INLINE_POLICY, ()):
        documents.setdefault(owners.of_policy(each), {})[each.urn] = _document(each, changing)
    loose = {(urn, each.parent) for each in not_attached for urn in own_policies(each)}
    for each in of_types.get(types.POLICY, ()):
        if is_of_component(each) and (each.urn, each.parent) not in loose:
            documents.setdefault(owners.of_component(each.parent), {})[each.urn] = policies[each.urn]
    for each in of_types.get(types.ATTACHMENT, ()):
        key, arn = owners.of_policy(each), known_text(each.inputs.get("policyArn"))
        if urns_of_own := own_policies(each):
            documents.setdefault(key, {}).update({urn: policies[urn] for urn in urns_of_own})
        elif arn:
            attached.setdefault(key, set()).add(arn)
        else:
            documents.setdefault(key, {})[each.urn] = UNREAD
    return documents, attached, {arn: policies[urn] for arn, urn in urns.items()}


class Owners:
    """Whose the policies and associations of a stack are, by the keys of its roles.

    A role is its ARN, or a name in the AWS account of a provider. Where a preview knows neither yet, the engine knows
    on which resource that depends; else it is the role of the component.
    """

    def __init__(self, resources: Iterable[Resource], keys: Mapping[str, str], roles: Mapping[str, Role]) -> None:
        """Take the resources of the roles, their keys by URN, and the roles by key."""
        self._keys = keys
        self._by_name: dict[tuple[str, str], str] = {}
        self._of_components: dict[str, list[str]] = {}
        for each in resources:
            key = keys[each.urn]
            name = Arn.name_in(roles[key].arn) or known_text(each.inputs.get("name"))
            self._by_name |= {(each.provider, name): key} if name else {}
            if is_of_component(each):
                self._of_components.setdefault(each.parent, []).append(key)

    def of_policy(self, policy: Resource) -> str:
        """Return the key of the role that an attachment or an inline policy is of; else something that only it has."""
        name = known_text(policy.inputs.get("role"))
        found = self._by_name.get((policy.provider, name)) if name else self._depended_on(policy)
        if found:
            return found
        # One that a component has for another role than its own is none of its own.
        is_own = is_of_component(policy) and not (name and policy.parent in self._of_components)
        return self.of_component(policy.parent) if is_own else f"{policy.provider}::{name or policy.urn}"

    def of_component(self, urn: str) -> str:
        """Return the key of a component's role; else something that only the component has."""
        return self._only(self._of_components.get(urn, ())) or f"::{urn}"

    def of_association(self, association: Resource) -> str:
        """Return the key of an association's role, or its ARN; UNKNOWN_ARN where nothing tells it."""
        arn = known_text(association.inputs.get("roleArn"))
        of_component = self._only(self._of_components.get(association.parent, ()))
        return arn or self._depended_on(association) or of_component or UNKNOWN_ARN

    def _depended_on(self, resource: Resource) -> str:
        return self._only([self._keys[urn] for urn in resource.roles if urn in self._keys])

    @staticmethod
    def _only(keys: Sequence[str]) -> str:
        return keys[0] if len(keys) == 1 else ""


def _association(resource: Resource, key: str, role: Role | None, aws_accounts: AwsAccounts) -> Association:
    names = ("clusterName", "region", "namespace", "serviceAccount", "targetRoleArn")
    cluster, region, namespace, name, target = (known_text(resource.inputs.get(each)) for each in names)
    arn = cluster_of_association(resource.text("associationArn"))
    arn = arn or _cluster_arn(resource, role, aws_accounts, region, cluster)
    tags = resource.inputs.get("disableSessionTags") is not True
    by_urn = "" if arn else resource.urn
    return Association(
        arn or cluster, namespace, name, key, association_arn=by_urn, session_tags=tags, target_role_arn=target
    )


def place_of(association: Association) -> str:
    """Return what the cluster of an association is known by: its ARN; else the URN of the association."""
    return association.association_arn or association.cluster_arn


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
    trusted = {each for each in clusters_named(role and role.trust) if (each.region, each.name) == (region, name)}
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
    written = role.inputs.get("tagsAll") or role.inputs.get("tags") or {}
    changes = is_secret(written) and any((role.urn, name) in changing for name in ("tags", "tagsAll"))
    known = written if isinstance(written, Mapping) else {ANY_TAG: str(written)}
    return {**known, ANY_TAG: CHANGES_UNREAD} if changes else known


def subjects_of(resource: Resource) -> list[str]:
    """Return the service account that a resource is, as `namespace:name`, where that is known."""
    metadata = mapping_of(resource.inputs.get("metadata"))
    name, namespace = known_text(metadata.get("name")), known_text(metadata.get("namespace", DEFAULT_NAMESPACE))
    return [f"{namespace}:{name}"] if name and namespace else []


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
        return parse_iam_arn(known_text(resource.outputs.get("arn")), kind)
    return Arn(*aws_accounts[resource.provider], kind, found) if found and resource.provider in aws_accounts else None


def clusters_named(trust: Mapping[str, Any] | None) -> Iterator[ClusterArn]:
    """Yield the clusters that the statements for EKS Pod Identity name which allow."""
    for statement in items_of((trust or {}).get("Statement", [])):
        of_statement = mapping_of(statement)
        services = items_of(mapping_of(of_statement.get("Principal")).get("Service", []))
        if of_statement.get("Effect") == "Allow" and POD_IDENTITY_PRINCIPAL in services:
            for keys in mapping_of(of_statement.get("Condition")).values():
                for value in (each for values in mapping_of(keys).values() for each in items_of(values)):
                    with contextlib.suppress(Mistake):
                        yield parse_cluster_arn(str(value))


def _role(resource: Resource, aws_accounts: AwsAccounts) -> Role:
    arn = _arn(resource, aws_accounts)
    aws_account = (arn.partition, arn.account_id) if arn else aws_accounts.get(resource.provider, ("aws", ""))
    name = arn.name if arn else known_text(resource.inputs.get("name")) or resource.name
    trust, problem, parsed = _trust(resource)
    return Role(name, str(arn or ""), *aws_account, trust, problem, parsed)


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
