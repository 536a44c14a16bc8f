"""The policies of a role to create: managed ones, their attachments and those of existing ones, inline ones."""

from collections.abc import Iterator, Mapping, Sequence

from irsa import types
from irsa.fields import collect
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.outputs import child_name, part_name
from irsa.read import Arguments
from irsa.resources import NAME_OF_THE_ROLE, DeclaredResource, Ref
from irsa.role.add_on_policies import PolicySource, add_on_policies
from irsa.role.in_aws_account import aws_account_of
from irsa.rules import names
from irsa.rules.arns import Arn
from irsa.rules.mistakes import Located, Mistake, Place
from irsa.rules.policies import (
    CHAINING_POLICY,
    Document,
    chaining_policy,
    policy_part_name,
    split_document,
)
from irsa.rules.trust import minified
from irsa.rules.unknown import (
    Unknown,
    Value,
    checked_with,
    derive,
    has_unknown,
    is_there,
    known_or,
    or_else,
)

CHAINED: Place = ("assume_role_arns",)


def policy_sources(arguments: Arguments, binding: ServiceAccountRoleKeys) -> Iterator[PolicySource]:
    """Yield the document and the add-ons of which the role has managed policies."""
    settings = binding.policy
    if settings and settings.document is not None and is_there(settings.document):
        yield PolicySource(arguments.name, settings, _texts(arguments, settings.document))
    yield from add_on_policies(arguments, binding)


def policies(
    arguments: Arguments, binding: ServiceAccountRoleKeys, sources: Sequence[PolicySource]
) -> tuple[DeclaredResource, ...]:
    """Return the managed policies to create: several for a large document that is known already."""
    return tuple(_policy(arguments, binding, each, index) for each in sources for index in range(len(each.texts)))


def _texts(arguments: Arguments, document: Value[Document]) -> Sequence[Value[str]]:
    """Return the documents of the policies over which the caller's document is divided."""
    place: Place = ("policy", "document")
    if isinstance(document, Document) and not has_unknown(document):
        try:
            divided = split_document(document.content)
        except Mistake as mistake:
            arguments.found.append(((*place, "Statement"), mistake))
            return []
        return arguments.divided(place, divided, document.content)
    return arguments.divided(place, [derive(lambda known: minified(known.content), document)])


def _policy(
    arguments: Arguments, binding: ServiceAccountRoleKeys, source: PolicySource, index: int
) -> DeclaredResource:
    settings, logical_name = source.settings, part_name(source.name, index)
    adopted = known_or(binding.import_, []) if settings is binding.policy else ()
    name = settings.name
    if name is not None and index:
        name = derive(lambda known: policy_part_name(known, index), name)
        if isinstance(name, str):
            collect(lambda: names.check_name(name, names.POLICY), ("policy", "name"), arguments.found)
    arn = _policy_arn(name, or_else(settings.path, "/"), binding)
    prefix = names.automatic_name_prefix(logical_name, names.POLICY, names.POLICY_PREFIX)
    if source.automatic:
        prefix = names.prefix_of(part_name(source.automatic, index), names.POLICY_PREFIX)
    inputs = {
        "policy": source.texts[index],
        "name": name,
        "namePrefix": prefix if name is None else None,
        "path": settings.path,
        "description": settings.description,
        "tags": binding.role.tags if settings.tags is None else settings.tags,
    }
    key, import_id = f"policy {logical_name}", arn if "policy" in adopted else None
    return DeclaredResource(key, types.POLICY, logical_name, inputs, import_id)


def _policy_arn(name: Value[str] | None, path: Value[str], binding: ServiceAccountRoleKeys) -> str | None:
    """Return the ARN of a policy to create, where that is known: it is in the role's AWS account."""
    if name is None or has_unknown([name, path, binding.oidc_provider_arns, binding.cluster_arns]):
        return None
    partition, account_id = aws_account_of(binding, [])
    if not partition or not account_id:
        return None
    return str(Arn(partition, account_id, "policy", f"{path}{name}".lstrip("/")))


def attachments(
    arguments: Arguments,
    binding: ServiceAccountRoleKeys,
    policies: Sequence[DeclaredResource],
    sources: Sequence[PolicySource],
) -> Sequence[DeclaredResource]:
    """Return the attachments of the policies to create, and of existing ones."""
    adopted = "attachments" in known_or(binding.import_, [])
    existing = known_or(binding.policy_arns, {})

    def attachment(
        logical_name: str, policy_arn: Value[str] | Ref, imported: Value[str] | None = None
    ) -> DeclaredResource:
        import_id = f"{binding.role.name}/{imported}" if adopted and imported else None
        inputs = {"role": NAME_OF_THE_ROLE, "policyArn": policy_arn}
        return DeclaredResource(f"attachment {logical_name}", types.ATTACHMENT, logical_name, inputs, import_id)

    attached = {
        each.logical_name: attachment(each.logical_name, Ref(each.key, "arn"), each.import_id) for each in policies
    }
    parts = {policy.logical_name for policy in policies}
    for key, arn in existing.items():
        logical_name = child_name(arguments.name, key)
        if logical_name in parts:
            found = f"the key {key!r}, which is the name of a part of the split policy"
            arguments.found.append((("policy_arns", key), Mistake(found, "another key", "rename it")))
        attached[logical_name] = attachment(logical_name, arn, arn)
    # Under the names that a stack file gives them in `policyArns`: what is attached already stays.
    for each in sources:
        for of_aws, arn in each.managed_policy_arns.items():
            key = f"aws:{of_aws}"
            logical_name = child_name(arguments.name, key)
            arguments.found += _attached_as(key, of_aws, each.add_on, existing)
            attached.setdefault(logical_name, attachment(logical_name, arn))
    return [*attached.values()]


def _attached_as(name: str, of_aws: str, add_on: str, policy_arns: Mapping[str, Value[str]]) -> Iterator[Located]:
    """Yield the keys by which an add-on's managed policy of AWS is attached twice, or another one in its place.

    Of two attachments of one policy, the end of one detaches it for both.
    """
    for key, arn in policy_arns.items():
        is_same = isinstance(arn, str) and arn.partition(":iam::aws:policy/")[2] == of_aws
        if key != name and is_same:
            found = f"{of_aws}, which {add_on} also attaches"
            yield ("policy_arns", key), Mistake(found, f"only one of them, or the key {name!r}", "remove it")
        elif key == name and isinstance(arn, str) and not is_same:
            found = f"the key {key!r}, which irsa uses for {of_aws} of {add_on}"
            yield ("policy_arns", key), Mistake(found, "another key", "rename it")


def inline_policies(arguments: Arguments, binding: ServiceAccountRoleKeys) -> tuple[DeclaredResource, ...]:
    """Return the inline policies, the one for roles to assume included."""
    adopted = "inlinePolicies" in known_or(binding.import_, [])
    texts: dict[str, Value[str]] = {
        key: derive(lambda known: known.minified, each.document)
        for key, each in known_or(binding.inline_policies, {}).items()
    }
    target = binding.pod_identity and binding.pod_identity.target_role_arn
    role_arns = or_else(binding.assume_role_arns, [])
    chains = bool(role_arns) or is_there(target)
    arguments.parts[CHAINED] = int(chains)
    if arguments.parts_before.get(CHAINED) and not chains:
        fix = "give the output an item, or leave the argument out"
        arguments.found.append((CHAINED, Mistake("an empty list", "at least one", fix)))
    if chains:
        texts[CHAINING_POLICY] = derive(
            lambda role_arns, target: chaining_policy([*{*role_arns, *filter(None, [target])}]), role_arns, target
        )
    # With the last one, the size of all is checked: so the others do not become unknown or secret.
    if last := next((key for key in reversed(texts) if isinstance(texts[key], Unknown)), None):
        texts[last] = checked_with(texts[last], *texts.values())
    role = f"{binding.role.name}:" if adopted else ""
    return tuple(
        DeclaredResource(
            f"inline {name}",
            types.INLINE_POLICY,
            child_name(arguments.name, name),
            {"role": NAME_OF_THE_ROLE, "name": name, "policy": document},
            f"{role}{name}" if role else None,
        )
        for name, document in texts.items()
    )
