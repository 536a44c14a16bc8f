"""The rules for one resource, each by its name in `irsa:lint`, and what a violation of one says."""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from irsa.evaluation.admission import Admission, admission
from irsa.evaluation.document import parse
from irsa.evaluation.grants import admitted_by
from irsa.evaluation.lint import actions, managed_policies, wide_permissions, wide_subjects
from irsa.evaluation.lint.rule import Danger, LintRule, Policies, Warnings, rule, rules_of, statements
from irsa.role.lint import RULES as OF_ROLES
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION, document_mistakes
from irsa.rules.leaves import items_of, leaves
from irsa.rules.mistakes import Located, Mistake, Place, described, path_of
from irsa.rules.policies import parse_object
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown
from policy_pack.properties import NOT_DECRYPTED, is_secret, known

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html: none of IAM's requests takes a longer one.
LONGEST = 131_072
ROLE, TRUST, INLINE, DOCUMENT, ARNS = "aws:iam/role:Role", "assumeRolePolicy", "inlinePolicies", "policy", "policyArn"
PROPERTIES: Mapping[str, Sequence[str]] = {
    ROLE: (TRUST, INLINE, "managedPolicyArns"),
    "aws:iam/policy:Policy": (DOCUMENT,),
    "aws:iam/rolePolicy:RolePolicy": (DOCUMENT,),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("policyArn",),
}
# Only a stack file of irsa has these.
VARIABLES = (("${partition}", "aws"), ("${region}", "us-west-2"), ("${account}", "111122223333"))


class Unread(list[Located]):
    """What IAM would refuse in a document, in which nothing else is judged."""


# Each rule asks for it.
_admission = functools.lru_cache(maxsize=1024)(admission)
# A document or an ARN of a resource: its property, its place, its content with markers, and whether it is a secret.
Value = tuple[str, Place, Any, bool]


@rule()
def missing_condition(of: wide_subjects.Trust) -> Warnings:
    """A trust policy does not ask for an audience."""
    for provider_arn in sorted({each.provider_arn for each in of.admission.admitted}):
        trusted = admitted_by(parse({"Version": VERSION, "Statement": of.statements}), provider_arn, ["any-audience"])
        key = f"{issuer_of_provider(provider_arn)}:aud"
        for index in sorted({index for each in trusted if each.certain for index in each.statements}):
            found = f"no condition on {key}: tokens for any audience that the OIDC provider lists are taken"
            fix = f'add "StringEquals": {{"{key}": "sts.amazonaws.com"}}'
            yield ("statements", index), Mistake(found, "a condition on the audience", fix)


@rule(danger="always")
def unreadable_document(of: Unread) -> Warnings:
    """A document is one that IAM would refuse: no rule has judged it."""
    yield from ((place, Danger(each.found, each.allowed, each.fix)) for place, each in of)


@rule()
def not_checked(of: Unknown) -> Warnings:
    """A value is not known now."""
    when, fix = (
        ("", "analyze the stack, which reads it") if of is NOT_DECRYPTED else (" in preview", "`pulumi up` checks it")
    )
    yield (), Mistake(f"not checked{when}: {of.reason}", "a value that is known", fix)


RULES: Mapping[str, LintRule] = {
    "wide-trust": OF_ROLES["wide-trust"]._replace(judges=wide_subjects.Trust),
    **rules_of(sys.modules[__name__], wide_permissions, actions, managed_policies),
}


def violations(name: str, type_: str, properties: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Yield what a rule says of a resource, and whether that is mandatory by default."""
    # That of this name in RULES takes a role of irsa.
    judge: Callable[[Any], Warnings] = wide_subjects.wide_trust if name == "wide-trust" else RULES[name].warnings
    for judged, values, outer in _given(type_, properties):
        for inner, mistake in judge(judged) if isinstance(judged, RULES[name].judges) else ():
            # That of a role's policies together begins with the index of one.
            value, place = (values[int(inner[0])], inner[1:]) if isinstance(judged, Policies) else (values[0], inner)
            place = ("Statement", *place[1:]) if place[:1] == ("statements",) else place
            secret = any(each[3] for each in values)
            yield isinstance(mistake, Danger), message(path_of((*value[1], *outer, *place)), mistake, secret)


def _given(type_: str, properties: Mapping[str, Any]) -> Iterator[tuple[object, Sequence[Value], Place]]:
    """Yield what rules judge, the values in which it is, and its place there."""
    values = [*_values(type_, properties)]
    documents = [each for each in values if each[0] in (INLINE, DOCUMENT) and isinstance(each[2], dict)]
    contents = [content for _, _, content, _ in documents]
    yield Policies(contents), documents, ()
    for value in values:
        key, _, content, _ = value
        unknown = {leaf.reason: leaf for _, leaf in leaves(content) if isinstance(leaf, Unknown)}
        yield from ((each, [value], ()) for each in unknown.values())
        if isinstance(content, Unread):
            yield content, [value], ()
        elif isinstance(content, str):
            yield managed_policies.ManagedPolicy(content, contents), [value, *documents], ()
        elif key != TRUST and isinstance(content, dict):
            yield from ((each, [value], place) for place, each in statements(content, content))
        elif isinstance(content, dict):
            admitted = Admission() if unknown else _admission(minified(content), (), (), "")
            yield wide_subjects.Trust(items_of(content["Statement"]), admitted), [value], ()


def _values(type_: str, properties: Mapping[str, Any]) -> Iterator[Value]:
    for key in PROPERTIES.get(type_, ()):
        for index, each in enumerate(items_of(properties.get(key))):
            value = each.get(DOCUMENT) if key == INLINE and isinstance(each, dict) else each
            if value is not None:
                content = document(value, key) if key in (TRUST, INLINE, DOCUMENT) else value
                place = (key, index) if isinstance(properties[key], list) else (key,)
                yield key, place, content, is_secret(value)


def document(value: object, key: str) -> Any:
    """Return the content of a document, or what IAM would refuse in it; a marker as it is."""
    return value if isinstance(value, Unknown) else _read(value if isinstance(value, str) else minified(value), key)


@functools.lru_cache(maxsize=1024)
def _read(text: str, key: str) -> Mapping[str, Any] | Unread:
    if len(text) > LONGEST:
        return Unread([((), Mistake(f"{len(text):,} characters", f"at most {LONGEST:,}", "divide it"))])
    try:
        content: dict[str, Any] = known(parse_object(text))
    except Mistake as mistake:
        return Unread([((), mistake)])
    # IAM takes the older version, too.
    current = content if key == TRUST else {**content, "Version": VERSION}
    return Unread(document_mistakes(current, live_trust=key == TRUST)) or content


def message(where: str, mistake: Mistake, secret: bool) -> str:
    """Return a message, as any program can follow it, that quotes no secret."""
    if secret:
        return "what is wrong is not shown, since a secret is in it"
    allowed, fix = mistake.allowed, mistake.fix.partition("or silence the rule")[0].rstrip(" ,;")
    for variable, sample in VARIABLES:
        allowed, fix = allowed.replace(variable, sample), fix.replace(variable, sample)
    return described(where, Mistake(mistake.found, allowed, fix))
