"""The roles and IAM OIDC providers of a stack, before and after a deployment. Pure."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from irsa.evaluation.answers import PodIdentityRequest
from irsa.outputs import COMPONENT_TYPE
from irsa.rules.arns import Arn, ClusterArn, issuer_host_path, parse_cluster_arn, parse_iam_arn
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import parse_object
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import POD_IDENTITY_PRINCIPAL
from irsa.rules.unknown import Unknown
from irsa_cli.diff.preview import CREATE, DELETE, IMPORT, REPLACE, UPDATE, Step
from irsa_cli.state import types
from irsa_cli.state.resource import Resource, is_secret, is_unknown, known_text
from irsa_cli.trusts.chains import Document, RolePolicies

UNREAD = Unknown("it is not in the preview")
UNKNOWN_ARN = "not known until `pulumi up`"
CHANGES_UNREAD = Unknown("it changes, and what it says is not in the preview")
TRUST_POLICY, POLICY_DOCUMENT = "assumeRolePolicy", "policy"
UNKNOWN_UNTIL_UP = "its trust policy is not known until `pulumi up`"
SEVERAL = "several resources of the stack are this role, with different trust policies"
SECRET_TRUST = "its trust policy is a secret"  # noqa: S105 (a sentence)


class Association(NamedTuple):
    """An EKS Pod Identity association.

    Attributes:
        cluster: Name of the cluster.
        cluster_arn: Its ARN; empty where its region or AWS account is not known.
        namespace: Namespace of the service account.
        service_account: Its name.
        session_tags: Whether sessions have tags.
        target_role_arn: The role whose credentials the Pods get; empty without one.
        issuer: What its logical name says of the cluster: in the stack program, the issuer.
    """

    cluster: str
    cluster_arn: str
    namespace: str
    service_account: str
    session_tags: bool = True
    target_role_arn: str = ""
    issuer: str = ""

    @property
    def subject(self) -> str:
        """The service account, as `namespace:name`."""
        return subject_of(self.namespace, self.service_account)

    @property
    def request(self) -> PodIdentityRequest:
        """What EKS Pod Identity asks of STS for its Pods."""
        return PodIdentityRequest(self.namespace, self.service_account, self.cluster_arn, self.session_tags)


class Role(NamedTuple):
    """A role of the stack.

    Attributes:
        name: Its name; while IAM has yet to choose it, its logical name.
        arn: Its ARN; empty while IAM has yet to choose its name.
        partition: The partition of its AWS account.
        aws_account: The number of its AWS account; empty where it is not known.
        trust: Its trust policy; None where it is not known.
        problem: Why it is not known.
        trust_changes: Whether the engine says that it gets another trust policy: two secrets look alike.
        associations: The EKS Pod Identity associations that give it, sorted.
    """

    name: str
    arn: str
    partition: str
    aws_account: str
    trust: Mapping[str, Any] | None
    problem: str = ""
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
        session_policies: Their session policies, by the key or ARN of the role, the cluster and the service account.
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

    def with_keys(self, keys: Mapping[str, str]) -> "Snapshot":
        """Return the same with other keys of roles."""

        def keyed(values: Mapping[str, Any]) -> dict[str, Any]:
            return {keys.get(key, key): value for key, value in values.items()}

        roles, policies, attached, boundaries = map(keyed, (self.roles, self.policies, self.attached, self.boundaries))
        session = {(keys.get(key, key), where, who): each for (key, where, who), each in self.session_policies.items()}
        found = self._replace(roles=roles, policies=policies, attached=attached, boundaries=boundaries)
        return found._replace(session_policies=session)

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
            # What is imported must be as it is declared, or the import fails.
            old |= {step.new.urn: step.new} if step.operation == IMPORT else {}
            kept = step.old.outputs if step.old and step.operation == UPDATE else {}
            new[step.new.urn] = step.new._replace(outputs={**kept, **step.new.outputs})
    aws_accounts = _aws_accounts([*old.values(), *new.values()])
    changing = {each.new.urn for each in steps if each.new and {TRUST_POLICY, POLICY_DOCUMENT} & {*each.reasons}}
    return _snapshot(old.values(), aws_accounts), _snapshot(new.values(), aws_accounts, changing)


def _snapshot(
    resources: Iterable[Resource], aws_accounts: Mapping[str, tuple[str, str]], changing: Set[str] = frozenset()
) -> Snapshot:
    roles: dict[str, Role] = {}
    client_ids: dict[str, tuple[str, ...] | None] = {}
    service_accounts: set[str] = set()
    # By the role's owner, and then by URN: a policy belongs to its component, and to whatever it is attached to.
    documents: dict[tuple[str, str], dict[str, Document]] = {}
    owners: dict[str, tuple[str, str]] = {}
    attached: dict[tuple[str, str], set[str]] = {}
    boundaries: dict[str, str] = {}
    keys: dict[str, str] = {}
    resources = [each for each in resources if not each.external]
    policies = {each.urn: each for each in resources if each.type == types.POLICY}
    urns = {each.text("arn"): each.urn for each in policies.values() if each.text("arn")}
    for each in resources:
        if each.type == types.ROLE:
            role = _role(each, aws_accounts)._replace(trust_changes=each.urn in changing)
            key = role.arn or each.urn
            known = roles.get(key, role)
            keys[each.urn] = key
            roles[key] = role if known.trust == role.trust else role._replace(trust=None, problem=SEVERAL)
            owners[key] = _owner(each, role.name)
            if boundary := each.inputs.get("permissionsBoundary"):
                boundaries[key] = known_text(boundary) or UNKNOWN_ARN
        elif each.type in {types.INLINE_POLICY, types.POLICY}:
            owner = _owner(each, known_text(each.inputs.get("role")))
            documents.setdefault(owner, {})[each.urn] = _document(each, changing)
        elif each.type == types.ATTACHMENT:
            owner, policy = _owner(each, known_text(each.inputs.get("role"))), known_text(each.inputs.get("policyArn"))
            own = [urn for urn in (*each.policies, urns.get(policy)) if urn in policies]
            if policy and not own:
                attached.setdefault(owner, set()).add(policy)
            of_role = documents.setdefault(owner, {})
            of_role |= {urn: _document(policies[urn], changing) for urn in own if urn not in of_role}
            of_role |= {} if policy or own else {each.urn: UNREAD}
        elif each.type == types.OIDC_PROVIDER and (arn := _arn(each, aws_accounts)):
            listed = each.inputs.get("clientIdLists")
            client_ids[str(arn)] = tuple(listed) if isinstance(listed, list) and all(map(known_text, listed)) else None
        elif each.type in {types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH}:
            service_accounts |= {*subjects_of(each)}
    # A preview has no step for a role that stays as it is: what has its policies alone is known by its name.
    alone = ({owner for owner, those in {**documents, **attached}.items() if those and owner[1]}) - {*owners.values()}
    owners |= {"::".join(owner): owner for owner in alone}
    of_roles = {
        key: RolePolicies([*documents.get(owner, {}).values()], UNREAD if key in boundaries else None)
        for key, owner in owners.items()
    }
    of_others = {key: frozenset(attached.get(owner, ())) for key, owner in owners.items()}
    own_documents = {arn: _document(policies[urn], changing) for arn, urn in urns.items()}
    by_owner = {owner: key for key, owner in owners.items() if key in roles}
    given = _associations(resources, roles, keys, by_owner, aws_accounts)
    roles = {key: role._replace(associations=given.pop(key, ())) for key, role in roles.items()}
    session_policies = {
        (key, one.cluster, one.subject): _document(each, changing)
        for each in resources
        if each.type == types.POD_IDENTITY_ASSOCIATION and each.inputs.get(POLICY_DOCUMENT) is not None
        for key in [_role_key(each, keys, by_owner)]
        for one in [_association(each, roles.get(key), aws_accounts)]
    }
    return Snapshot(
        roles,
        client_ids,
        frozenset(service_accounts),
        of_roles,
        of_others,
        boundaries,
        own_documents,
        keys,
        given,
        session_policies,
    )


def _associations(
    resources: Iterable[Resource],
    roles: Mapping[str, Role],
    keys: Mapping[str, str],
    by_owner: Mapping[tuple[str, str], str],
    aws_accounts: Mapping[str, tuple[str, str]],
) -> dict[str, tuple[Association, ...]]:
    """Return the EKS Pod Identity associations, by the key of the role, or its ARN."""
    found: dict[str, set[Association]] = {}
    for each in resources:
        if each.type == types.POD_IDENTITY_ASSOCIATION:
            key = _role_key(each, keys, by_owner)
            found.setdefault(key, set()).add(_association(each, roles.get(key), aws_accounts))
    return {key: tuple(sorted(those)) for key, those in found.items()}


def _role_key(association: Resource, keys: Mapping[str, str], by_owner: Mapping[tuple[str, str], str]) -> str:
    """Return the key of an association's role, or its ARN; while that is not known, the engine knows whose it is."""
    own = [keys[urn] for urn in association.roles if urn in keys]
    arn = known_text(association.inputs.get("roleArn"))
    return own[0] if len(own) == 1 else arn or by_owner.get(("", association.parent), UNKNOWN_ARN)


def _association(resource: Resource, role: Role | None, aws_accounts: Mapping[str, tuple[str, str]]) -> Association:
    """Return an association: its role is in the AWS account of its cluster."""
    names = ("clusterName", "region", "namespace", "serviceAccount", "targetRoleArn")
    cluster, region, namespace, name, target = (known_text(resource.inputs.get(each)) for each in names)
    region = region or resource.text("associationArn").partition(":eks:")[2].partition(":")[0]
    partition, account = (role.partition, role.aws_account) if role else aws_accounts.get(resource.provider, ("", ""))
    arn = str(ClusterArn(partition, region, account, cluster)) if region and account and cluster else ""
    tags = resource.inputs.get("disableSessionTags") is not True
    return Association(cluster, arn, namespace, name, tags, target, resource.issuer)


def _owner(resource: Resource, role: str) -> tuple[str, str]:
    """Return whose role a role or policy is: that of its component, or that of a name in an AWS account."""
    is_component = f"::{COMPONENT_TYPE}::" in resource.parent.replace("$", "::")
    return ("", resource.parent) if is_component else (resource.provider, role)


def _document(policy: Resource, changing: Set[str]) -> Document:
    """Return a policy's document; a marker where it is not known, another one where the engine says that it changes."""
    written, unread = policy.inputs.get(POLICY_DOCUMENT), CHANGES_UNREAD if policy.urn in changing else UNREAD
    try:
        known = not is_secret(written) and not is_unknown(written)
        return (written if isinstance(written, Mapping) else parse_object(str(written))) if known else unread
    except Mistake:
        return unread


def subjects_of(resource: Resource) -> list[str]:
    """Return the service account that a resource is, as `namespace:name`, where that is known."""
    metadata = mapping_of(resource.inputs.get("metadata"))
    name, namespace = known_text(metadata.get("name")), known_text(metadata.get("namespace", DEFAULT_NAMESPACE))
    return [f"{namespace}:{name}"] if name and namespace else []


def _aws_accounts(resources: Iterable[Resource]) -> dict[str, tuple[str, str]]:
    """Return partition and number of the AWS accounts, by the reference of the provider that leads there."""
    found: dict[str, tuple[str, str]] = {}
    trusted: dict[str, set[tuple[str, str]]] = {}
    for each in resources:
        if each.type == types.ROLE:
            # A role trusts OIDC providers, and clusters by EKS Pod Identity, of its own AWS account alone.
            trust = _trust(each)[0]
            for arn in itertools.chain[Arn | ClusterArn](_federated(trust), _clusters(trust)):
                trusted.setdefault(each.provider, set()).add((arn.partition, arn.account_id))
        if each.type in {types.ROLE, types.OIDC_PROVIDER} and (own := _arn(each, {})):
            found.setdefault(each.provider, (own.partition, own.account_id))
    # Of several, one that somebody made up could hide whom the others admit.
    return {**{provider: each.pop() for provider, each in trusted.items() if len(each) == 1}, **found}


def _arn(resource: Resource, aws_accounts: Mapping[str, tuple[str, str]]) -> Arn | None:
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


def _federated(trust: Mapping[str, Any] | None) -> Iterator[Arn]:
    for statement in items_of((trust or {}).get("Statement", [])):
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        for name in items_of(principal.get("Federated", [])) if isinstance(principal, Mapping) else ():
            with contextlib.suppress(Mistake):
                yield parse_iam_arn(str(name), "oidc-provider")


def _clusters(trust: Mapping[str, Any] | None) -> Iterator[ClusterArn]:
    """Yield the clusters that the statements for EKS Pod Identity name."""
    for statement in items_of((trust or {}).get("Statement", [])):
        of_statement = mapping_of(statement)
        if POD_IDENTITY_PRINCIPAL in items_of(mapping_of(of_statement.get("Principal")).get("Service", [])):
            for keys in mapping_of(of_statement.get("Condition")).values():
                for value in (each for values in mapping_of(keys).values() for each in items_of(values)):
                    with contextlib.suppress(Mistake):
                        yield parse_cluster_arn(str(value))


def _role(resource: Resource, aws_accounts: Mapping[str, tuple[str, str]]) -> Role:
    arn = _arn(resource, aws_accounts)
    aws_account = (arn.partition, arn.account_id) if arn else aws_accounts.get(resource.provider, ("aws", ""))
    name = arn.name if arn else known_text(resource.inputs.get("name")) or resource.name
    return Role(name, str(arn or ""), *aws_account, *_trust(resource))


def _trust(resource: Resource) -> tuple[Mapping[str, Any] | None, str]:
    """Return a role's trust policy; or None, and why it is not known."""
    written = resource.inputs.get(TRUST_POLICY)
    if is_secret(written):
        return None, SECRET_TRUST
    if is_unknown(written):
        return None, UNKNOWN_UNTIL_UP
    try:
        return written if isinstance(written, Mapping) else parse_object(str(written)), ""
    except Mistake as mistake:
        return None, f"its trust policy: {mistake.found}"
