"""The roles and IAM OIDC providers of a stack, before and after a deployment. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from irsa.outputs import COMPONENT_TYPE
from irsa.rules.arns import Arn, issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import parse_object
from irsa.rules.unknown import Unknown
from irsa_cli.diff.preview import (
    CREATE,
    DELETE,
    IMPORT,
    REPLACE,
    UPDATE,
    ResourceState,
    Step,
    contains_secret,
    contains_unknown,
    is_secret,
    is_unknown,
)
from irsa_cli.state import INLINE_POLICY, OIDC_PROVIDER, POLICY, ROLE, SERVICE_ACCOUNT, SERVICE_ACCOUNT_PATCH
from irsa_cli.trusts.chains import Document, RolePolicies

UNREAD = Unknown("it is not in the preview")
TRUST_POLICY = "assumeRolePolicy"
UNKNOWN_UNTIL_UP = "its trust policy is not known until `pulumi up`"
SEVERAL = "several resources of the stack are this role, with different trust policies"
SECRET_TRUST = "its trust policy is a secret"  # noqa: S105 (a sentence)


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
    """

    name: str
    arn: str
    partition: str
    aws_account: str
    trust: Mapping[str, Any] | None
    problem: str = ""
    trust_changes: bool = False


class Snapshot(NamedTuple):
    """What a stack has at one time.

    Attributes:
        roles: Its roles, by ARN, or by URN where IAM has yet to choose the name.
        client_ids: The audiences of the IAM OIDC providers that it creates, by ARN; None where they are not known.
        service_accounts: Its service accounts, as `namespace:name`.
        policies: What the policies say that it gives to a role, by the key of the role.
    """

    roles: Mapping[str, Role]
    client_ids: Mapping[str, tuple[str, ...] | None]
    service_accounts: frozenset[str]
    policies: Mapping[str, RolePolicies] = {}


def before_and_after(state: Iterable[ResourceState], steps: Iterable[Step]) -> tuple[Snapshot, Snapshot]:
    """Return what a stack has before a preview's steps and after them.

    Args:
        state: The resources of its state; none where it was not read.
        steps: What happens.
    """
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
    changing = {each.new.urn for each in steps if each.new and TRUST_POLICY in each.reasons}
    return _snapshot(old.values(), aws_accounts), _snapshot(new.values(), aws_accounts, changing)


def _snapshot(
    resources: Iterable[ResourceState], aws_accounts: Mapping[str, tuple[str, str]], changing: Set[str] = frozenset()
) -> Snapshot:
    roles: dict[str, Role] = {}
    client_ids: dict[str, tuple[str, ...] | None] = {}
    service_accounts: set[str] = set()
    documents: dict[tuple[str, str], list[Document]] = {}
    owners: dict[str, tuple[tuple[str, str], Document | None]] = {}
    for each in resources:
        if each.external:
            continue
        if each.type == ROLE:
            role = _role(each, aws_accounts)._replace(trust_changes=each.urn in changing)
            key = role.arn or each.urn
            known = roles.get(key, role)
            roles[key] = role if known.trust == role.trust else role._replace(trust=None, problem=SEVERAL)
            owners[key] = _owner(each, role.name), UNREAD if each.inputs.get("permissionsBoundary") else None
        elif each.type in {INLINE_POLICY, POLICY}:
            owner = _owner(each, known_text(each.inputs.get("role")))
            documents.setdefault(owner, []).append(_document(each.inputs.get("policy")))
        elif each.type == OIDC_PROVIDER:
            arn = _provider_arn(each, aws_accounts)
            if arn:
                listed = each.inputs.get("clientIdLists")
                are_known = isinstance(listed, list) and all(isinstance(one, str) and _is_known(one) for one in listed)
                client_ids[arn] = tuple(listed) if are_known and isinstance(listed, list) else None
        elif each.type in {SERVICE_ACCOUNT, SERVICE_ACCOUNT_PATCH}:
            service_accounts |= {*subjects_of(each)}
    policies = {key: RolePolicies(documents.get(owner, []), boundary) for key, (owner, boundary) in owners.items()}
    return Snapshot(roles, client_ids, frozenset(service_accounts), policies)


def _owner(resource: ResourceState, role: str) -> tuple[str, str]:
    """Return whose role a role or policy is: that of its component, or that of a name in an AWS account."""
    is_component = f"::{COMPONENT_TYPE}::" in resource.parent.replace("$", "::")
    return ("", resource.parent) if is_component else (resource.provider, role)


def _document(written: Any) -> Document:
    """Return a policy document; a marker where it is not known."""
    try:
        known = not contains_secret(written) and not contains_unknown(written)
        return (written if isinstance(written, Mapping) else parse_object(str(written))) if known else UNREAD
    except Mistake:
        return UNREAD


def _is_known(value: Any) -> bool:
    return not (is_unknown(value) or is_secret(value))


def known_text(value: Any) -> str:
    """Return a value that is a known string; empty for any other."""
    return value if isinstance(value, str) and _is_known(value) else ""


def subjects_of(resource: ResourceState) -> Iterator[str]:
    """Yield the service account that a resource is, as `namespace:name`, where that is known."""
    metadata = resource.inputs.get("metadata")
    if isinstance(metadata, Mapping):
        name = known_text(metadata.get("name"))
        namespace = known_text(metadata.get("namespace", "default"))
        if name and namespace:
            yield f"{namespace}:{name}"


def _aws_accounts(resources: Iterable[ResourceState]) -> dict[str, tuple[str, str]]:
    """Return partition and number of the AWS accounts, by the reference of the provider that leads there."""
    found: dict[str, tuple[str, str]] = {}
    trusted: dict[str, set[tuple[str, str]]] = {}
    for each in resources:
        if each.type == ROLE:
            # A role trusts OIDC providers of its own AWS account alone.
            for arn in _federated(_trust(each)[0]):
                trusted.setdefault(each.provider, set()).add((arn.partition, arn.account_id))
        if each.type in {ROLE, OIDC_PROVIDER} and (own := _arn(each)):
            found.setdefault(each.provider, (own.partition, own.account_id))
    # Of several, one that somebody made up could hide whom the others admit.
    return {**{provider: each.pop() for provider, each in trusted.items() if len(each) == 1}, **found}


def _arn(resource: ResourceState) -> Arn | None:
    kind = "role" if resource.type == ROLE else "oidc-provider"
    try:
        return parse_iam_arn(known_text(resource.outputs.get("arn")), kind)
    except Mistake:
        return None


def _federated(trust: Mapping[str, Any] | None) -> Iterator[Arn]:
    for statement in items_of((trust or {}).get("Statement", [])):
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        for name in items_of(principal.get("Federated", [])) if isinstance(principal, Mapping) else ():
            try:
                yield parse_iam_arn(str(name), "oidc-provider")
            except Mistake:
                continue


def _role(resource: ResourceState, aws_accounts: Mapping[str, tuple[str, str]]) -> Role:
    arn = _arn(resource)
    partition, aws_account = aws_accounts.get(resource.provider, ("aws", ""))
    name = known_text(resource.inputs.get("name"))
    if arn is None and name and aws_account:
        path = known_text(resource.inputs.get("path"))
        arn = Arn(partition, aws_account, "role", Arn.with_path(path, name))
    if arn:
        name, partition, aws_account = arn.name, arn.partition, arn.account_id
    return Role(name or resource.name, str(arn) if arn else "", partition, aws_account, *_trust(resource))


def _trust(resource: ResourceState) -> tuple[Mapping[str, Any] | None, str]:
    """Return a role's trust policy; or None, and why it is not known."""
    written = resource.inputs.get(TRUST_POLICY)
    if contains_secret(written):
        return None, SECRET_TRUST
    if contains_unknown(written):
        return None, UNKNOWN_UNTIL_UP
    try:
        return written if isinstance(written, Mapping) else parse_object(str(written)), ""
    except Mistake as mistake:
        return None, f"its trust policy: {mistake.found}"


def _provider_arn(resource: ResourceState, aws_accounts: Mapping[str, tuple[str, str]]) -> str:
    if own := _arn(resource):
        return str(own)
    url = known_text(resource.inputs.get("url"))
    partition, aws_account = aws_accounts.get(resource.provider, ("", ""))
    return oidc_provider_arn(partition, aws_account, issuer_host_path(url)) if url and aws_account else ""
