"""Which tags change, and which documents ask for them: a condition on a changed tag decides what is allowed. Pure.

A role's tags are `aws:PrincipalTag` in its own requests, and `aws:ResourceTag` in requests about the role:
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from irsa import types
from irsa.evaluation.patterns import overlap
from irsa.rules.leaves import items_of, leaves, mapping_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.policies import parse_object
from irsa.rules.trust import SESSION_TAGS
from irsa.rules.unknown import Unknown
from irsa_cli.diff.questions import changed_properties, name_of
from irsa_cli.diff.rows import CANNOT_TELL, Row, some
from irsa_world.model import UNNAMED, known_arn, role_name
from irsa_world.sessions import Sessions, TrustPolicy
from irsa_world.state.planned import ANY_TAG, NOT_THERE
from irsa_world.state.preview import Step
from irsa_world.state.resource import is_secret
from irsa_world.trusts.provider_trust import allowed_principals

# The key of a tag in a condition key, or in a policy variable, which may have a default behind a comma.
_NAMED_TAG = re.compile(r"(principal|resource)tag/([^},]*)", re.IGNORECASE)
# Begins the key of a tag in a statement about other resources than IAM's. IAM allows no such character in a key.
OTHERS = "!"
_TAGS = ("tags", "tagsAll")


class TagReader(NamedTuple):
    """A trust policy, a policy of a role, its boundary or a session policy, and the tags that it asks for.

    Attributes:
        name: What it is called in a sentence.
        role_arn: The role that it belongs to; empty for a trust policy, which any role may meet.
        keys: The keys of the tags in lower case, behind OTHERS those of resources outside IAM; None if the document was
            not read.
        is_assumed: Whether the trust policy of the role lets other roles in, or is not known.
    """

    name: str
    role_arn: str
    keys: frozenset[str] | None
    is_assumed: bool = False


def tag_readers(both: Iterable[Sessions], not_read: Mapping[str, str]) -> list[TagReader]:
    """Return the documents that ask for tags, before and afterwards, and those that were not read.

    Args:
        both: The stack before and afterwards.
        not_read: Why a managed policy was not read, by its ARN.
    """
    readers: list[TagReader] = []
    for sessions in both:
        of_policies: dict[str, frozenset[str] | None] = {}
        assumed = {arn for arn in sessions.roles if _lets_roles_in(sessions.policies.get(arn))}
        for arn, role in sessions.roles.items():
            # A role that is not the stack's is not compared, although a policy of the stack is on it.
            if role.trust is not NOT_THERE:
                readers.append(TagReader(f"the trust policy of {named(role_name(arn))}", "", _keys_in(role.trust)))
            readers += [
                TagReader(
                    f"inline policy {named(name)} of {named(role_name(arn))}", arn, _keys_in(document), arn in assumed
                )
                for name, document in role.inline_policies.items()
            ]
            for policy in filter(None, (*role.attached_policies, role.permissions_boundary)):
                if policy not in of_policies:
                    of_policies[policy] = _keys_in(sessions.documents.get(policy))
                why = f" ({not_read[policy]})" if policy in not_read else ""
                readers.append(TagReader(f"{policy_name(policy)}{why}", arn, of_policies[policy], arn in assumed))
        # Somebody else can have a policy of the stack that none of its roles has.
        readers += [
            TagReader(policy_name(policy), policy, _keys_in(document))
            for policy, document in sessions.documents.items()
            if policy not in of_policies
        ]
        readers += [
            TagReader(f"the session policy of {named(association.subject)}", arn, _keys_in(association.policy))
            for associations in sessions.world.associations.values()
            for association in associations
            if association.policy
            for arn in association.role_arns
        ]
    return [reader for reader in dict.fromkeys(readers) if reader.keys != frozenset()]


def _lets_roles_in(policy: TrustPolicy | None) -> bool:
    """Return whether a trust policy lets roles in; true where it is not known."""
    return policy is None or any(type_ in ("AWS", "*") for type_, _ in allowed_principals(policy.parsed[1]))


def policy_name(arn: str) -> str:
    """Return what a managed policy is called in a sentence."""
    return f"policy {named(arn)}" if known_arn(arn) else f"a policy {arn.partition(UNNAMED)[0]}"


def _keys_in(document: Any) -> frozenset[str] | None:
    """Return the keys of the tags that a document asks for, in lower case; None if the document is not known."""
    try:
        parsed = parse_object(document) if isinstance(document, str) else document
    except Mistake:
        return None
    if not isinstance(parsed, Mapping) or any(isinstance(text, Unknown) for _, text in leaves(parsed)):
        return None
    statements = map(mapping_of, items_of(parsed.get("Statement", [])))
    return frozenset(key for statement in statements for key in _keys_in_statement(statement))


def _keys_in_statement(statement: Mapping[str, Any]) -> Iterator[str]:
    actions = [str(action).lower() for action in items_of(statement.get("Action", "*"))]
    is_of_iam = any(overlap(action, pattern) for action in actions for pattern in ("iam:*", "sts:*"))
    for _, text in leaves(statement):
        for whose, key in _NAMED_TAG.findall(text) if isinstance(text, str) else ():
            is_of_others = whose.lower() == "resource" and not is_of_iam
            yield f"{OTHERS if is_of_others else ''}{key.strip().casefold()}"


def changed_keys(old: Any, new: Any) -> frozenset[str]:
    """Return the keys of the tags that differ, in lower case; ANY_TAG stands for those that are not known."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return frozenset({ANY_TAG}) if old != new else frozenset()
    return frozenset(str(key).casefold() for key in {*old, *new} if old.get(key) != new.get(key))


def role_tag_reasons(
    readers: Sequence[TagReader], arn: str, tags: frozenset[str], has_other_sessions: bool
) -> Iterator[str]:
    """Yield which documents ask for tags of a role that change, or for tags of its sessions, if these change.

    Tags of a session are asked for by the policies of its own role, and, as they are transitive, by the trust policies
    and the policies of roles that it can assume.
    """
    yield from _reasons(readers, tags)
    if has_other_sessions:
        own = [reader for reader in readers if reader.role_arn in ("", arn) or reader.is_assumed]
        yield from _reasons(own, {key.casefold() for key in SESSION_TAGS}, "tags of its sessions change")


def _reasons(readers: Iterable[TagReader], keys: Set[str], what: str = "") -> Iterator[str]:
    if not keys:
        return
    asking = [
        reader for reader in readers if reader.keys is None or ANY_TAG in keys or not keys.isdisjoint(reader.keys)
    ]
    keys_named = sorted(key for key in keys if not key.startswith(OTHERS))
    what = what or ("tags change" if ANY_TAG in keys else f"tag {some(keys_named)} changes")
    if names := [reader.name for reader in asking if reader.keys]:
        yield f"{what}, and a document depends on it: {'; '.join(names[:3])}"
    elif names := [reader.name for reader in asking]:
        yield f"{what}, and a document that can depend on it was not read: {'; '.join(names[:3])}"


def changed_tags(step: Step) -> frozenset[str]:
    """Return the keys of the tags of a resource in AWS that change, as readers name them; of a new one, none."""
    if not (step.old and step.new and step.resource.type.startswith(("aws:", "aws-native:"))):
        return frozenset()
    keys: frozenset[str] = frozenset()
    for name in {*changed_properties(step)}.intersection(_TAGS):
        old, new = (side.inputs.get(name) or {} for side in (step.old, step.new))
        # Two secrets look alike.
        keys |= {ANY_TAG} if is_secret((old, new)) else changed_keys(old, new)
    is_of_iam = re.match(r"aws:iam/|aws-native:iam:", step.resource.type)
    return keys if is_of_iam else keys | {f"{OTHERS}{key}" for key in keys}


def tag_rows(steps: Iterable[Step], readers: Callable[[], Sequence[TagReader]]) -> Iterator[Row]:
    """Yield the resources but roles whose tags change while a document asks for these tags."""
    for step in steps:
        keys = frozenset() if step.resource.type == types.ROLE else changed_tags(step)
        reasons = [*_reasons(readers(), keys)] if keys else []
        if reasons:
            kind, name = step.resource.type.rpartition(":")[2], name_of(step.resource)
            said = f"what roles may do with {named(kind)} {named(name)}"
            yield Row("permission", "changes", said, CANNOT_TELL, reasons)
