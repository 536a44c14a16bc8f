"""The rules for one resource, each by its name in `irsa:lint`, and what a violation of one says."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from irsa.evaluation.admission import Admission, admission
from irsa.evaluation.document import parse
from irsa.evaluation.grants import admitted_by
from irsa.evaluation.lint import actions, managed_policies, wide_permissions, wide_subjects
from irsa.evaluation.lint.rule import Danger, LintRule, Policies, Warnings, rule, statements
from irsa.role.lint import RULES as OF_ROLES
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION, document_mistakes
from irsa.rules.leaves import items_of, leaves
from irsa.rules.mistakes import Located, Mistake, Place, described, path_of
from irsa.rules.policies import parse_object
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown
from policy_pack.properties import is_secret, known

ROLE, TRUST, INLINE, DOCUMENT = "aws:iam/role:Role", "assumeRolePolicy", "inlinePolicies", "policy"
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


@rule()
def missing_condition(of: wide_subjects.JudgedTrust) -> Warnings:
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
    fix = "`pulumi up` checks it; where a file of a state lacks it, `pulumi policy analyze --stack`"
    yield (), Mistake(f"not checked: {of.reason}", "a value that is known", fix)


# By name, so that a new rule of irsa fails nobody's programs unasked.
_RULES = (
    *(missing_condition, unreadable_document, not_checked, actions.unknown_action, actions.wrong_resource),
    *(wide_permissions.write_everything, wide_permissions.pass_any_role, wide_permissions.full_access),
    wide_permissions.administrator_access,
)
RULES: Mapping[str, LintRule] = {
    "wide-trust": OF_ROLES["wide-trust"]._replace(judges=wide_subjects.JudgedTrust),
    **{each.warnings.__name__.replace("_", "-"): each for each in _RULES},
}


def violations(name: str, danger: bool, resource: Any) -> Iterator[tuple[str]]:
    """Yield what a rule says of a resource, in its warnings that are mandatory by default, or in the others."""
    # That of this name in RULES takes a role of irsa.
    judge: Callable[[Any], Warnings] = wide_subjects.wide_trust if name == "wide-trust" else RULES[name].warnings
    for places, judged in _given([*_values(resource.resource_type, resource.props)]):
        for inner, mistake in judge(judged) if isinstance(judged, RULES[name].judges) else ():
            # That of a role's policies together begins with the index of one.
            index, *rest = inner if isinstance(judged, Policies) else (0, *inner)
            place = [*places[int(index)], *("Statement" if each == "statements" else each for each in rest)]
            if isinstance(mistake, Danger) is danger:
                yield (message(path_of(place), mistake, is_secret(resource.props[place[0]])),)


def _values(type_: str, properties: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Yield the place of each document or ARN of a resource, and its content with markers."""
    for key in PROPERTIES.get(type_, ()):
        for index, each in enumerate(items_of(properties.get(key))):
            value = each.get(DOCUMENT) if key == INLINE and isinstance(each, dict) else each
            if value is not None:
                content = document(value, key) if key in (TRUST, INLINE, DOCUMENT) else value
                yield (key, index) if isinstance(properties[key], list) else (key,), content


def _given(values: Sequence[tuple[Place, Any]]) -> Iterator[tuple[Sequence[Place], object]]:
    """Yield what rules judge, and its place, or those of the documents that are judged together."""
    documents = {place: each for place, each in values if place[0] in (INLINE, DOCUMENT) and isinstance(each, dict)}
    yield [*documents], Policies([*documents.values()])
    for place, content in values:
        unknown = {leaf.reason: leaf for _, leaf in leaves(content) if isinstance(leaf, Unknown)}
        yield from (([place], each) for each in unknown.values())
        if isinstance(content, Unread):
            yield [place], content
        elif isinstance(content, str):
            yield [place], managed_policies.AwsManagedPolicy(content)
        elif place in documents:
            yield from (([(*place, *inner)], each) for inner, each in statements(content, content))
        elif place[0] == TRUST and isinstance(content, dict):
            admitted = Admission() if unknown else _admission(minified(content), (), (), "")
            yield [place], wide_subjects.JudgedTrust(items_of(content["Statement"]), admitted)


def document(value: object, key: str) -> Any:
    """Return the content of a document, or what IAM would refuse in it; a marker as it is."""
    return value if isinstance(value, Unknown) else _read(value if isinstance(value, str) else minified(value), key)


@functools.lru_cache(maxsize=1024)
def _read(text: str, key: str) -> Mapping[str, Any] | Unread:
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
