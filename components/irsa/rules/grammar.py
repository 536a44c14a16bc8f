"""The grammar of policy documents: what IAM would refuse, reported before the deployment.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html (elements and their shapes),
reference_policies_elements.html (values) and reference_policies_elements_condition_operators.html (operators).
"""

import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.rules.arns import PARTITIONS
from irsa.rules.leaves import items_of, leaves
from irsa.rules.mistakes import Located, Mistake, Place, nearest, shortened
from irsa.rules.subjects import WILDCARDS
from irsa.rules.unknown import Unknown, text_of

# Policy variables work since this version; a document without a version is of the other one.
VERSION, DEFAULT_VERSION = "2012-10-17", "2008-10-17"
DOCUMENT_ELEMENTS = ("Version", "Id", "Statement")
STATEMENT_ELEMENTS = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
# No NotPrincipal: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
TRUST_ELEMENTS = ("Sid", "Effect", "Principal", "Action", "NotAction", "Condition")
# Their values are strings: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
TEXT_OPERATORS = ("String", "Arn", "Binary")
EFFECTS = ("Allow", "Deny")
PRINCIPALS = ("AWS", "Federated", "Service", "CanonicalUser")
OPERATORS = (
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike"),
    *("StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan"),
    *("DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress"),
    *("NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null"),
)
SET_OPERATORS = ("ForAllValues", "ForAnyValue")
# Null stands alone: it asks whether a key is there, so that neither IfExists nor a set of values means anything.
_OPERATOR = re.compile(rf"(?!.+:Null|NullI)(?:({'|'.join(SET_OPERATORS)}):)?({'|'.join(OPERATORS)})(IfExists)?")
# Both are every action. AWS's grammar does not speak of the second; https://github.com/getmoto/moto, which answers as
# IAM does, takes it (moto/iam/policy_validation.py).
EVERY_ACTION = ("*", "*:*")
ACTION = re.compile(r"\*(:\*)?|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
STS_ACTION = re.compile(r"\*|sts:.*", re.IGNORECASE | re.ASCII)
SID = re.compile(r"[a-zA-Z0-9]*")
# IAM's variables may be anywhere in an ARN, and contain colons: ${aws:PrincipalTag/team}.
IAM_VARIABLE = re.compile(r"\$\{[^{}]*\}")


class Characters(NamedTuple):
    """Those that a document may not have."""

    wrong: re.Pattern[str]
    allowed: str
    fix: str


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html ("IAM name requirements")
LATIN_1 = Characters(re.compile("[^\0-\xff]"), "characters up to U+00FF (Latin-1)", "remove it, or write * for it")
# What word processors make of quotes and dashes.
TYPED = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2018\u2019\u201a", "quotes"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-"),
}
# JSON can write half of a pair (`\ud800`).
UNICODE = Characters(re.compile("[\ud800-\udfff]"), "Unicode characters; an unpaired surrogate is not one", "remove it")


def document_mistakes(document: Mapping[str, Any] | Unknown, live_trust: bool = False) -> Iterator[Located]:
    """Yield what IAM would refuse in a policy of a role, each with its place in the document.

    Args:
        document: The policy.
        live_trust: Whether it is a trust policy that IAM has taken. It may be of the old version and have values that
            never match: only that without which it can't be read is a mistake.
    """
    if isinstance(document, Unknown):
        return
    yield from character_mistakes(document, (), UNICODE if live_trust else LATIN_1)
    yield from _unknown_elements((), document, DOCUMENT_ELEMENTS)
    if not live_trust and not isinstance(document.get("Id", ""), str | Unknown):
        yield ("Id",), Mistake(shortened(document["Id"]), "a string", "write a string, or remove it")
    version = document.get("Version", DEFAULT_VERSION)
    versions = (VERSION, DEFAULT_VERSION) if live_trust else (VERSION,)
    if version not in versions and not isinstance(version, Unknown):
        yield ("Version",), _wrong_version(document.get("Version"))
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        yield from statement_mistakes(statements, ("Statement",), live_trust, live_trust)
    elif not isinstance(statements, list | tuple | Unknown) or not (statements or live_trust):
        found = "no Statement" if "Statement" not in document else shortened(statements)
        fix = f"add a statement with Effect, {'Principal and Action' if live_trust else 'Action and Resource'}"
        yield ("Statement",), Mistake(found, "a list of statements", fix)
    elif not isinstance(statements, Unknown):
        for index, statement in enumerate(statements):
            yield from statement_mistakes(statement, ("Statement", index), live_trust, live_trust)
        yield from sid_mistakes(statements, ("Statement",)) if not live_trust else ()


def sid_mistakes(statements: Sequence[Any], place: Place = ()) -> Iterator[Located]:
    """Yield the statements that have the Sid of an earlier one."""
    sids: dict[str, int] = {}
    for index, statement in enumerate(statements):
        sid = statement.get("Sid") if isinstance(statement, Mapping) else None
        if isinstance(sid, str) and sid and sids.setdefault(sid, index) != index:
            found = f"the Sid {sid!r}, which statement {sids[sid]} already has"
            yield (*place, index, "Sid"), Mistake(found, "each Sid once in a document", "rename one, or remove one")


def character_mistakes(value: Any, place: Place = (), characters: Characters = LATIN_1) -> Iterator[Located]:
    """Yield the strings with characters that a document may not have."""
    for here, leaf in leaves(value, place):
        wrong = characters.wrong.search(leaf) if isinstance(leaf, str) else None
        if wrong:
            found = f"{shortened(leaf)}, with {wrong[0]!r} (U+{ord(wrong[0]):04X})"
            typed = TYPED.get(wrong[0])
            fix = "remove the typographic quotes, or write plain ones" if typed == "quotes" else f"write {typed}"
            yield here, Mistake(found, characters.allowed, fix if typed else characters.fix)


def statement_mistakes(statement: Any, place: Place = (), trust: bool = False, live: bool = False) -> Iterator[Located]:
    """Yield what IAM would refuse in one statement, of a policy or of a trust policy, or can't read in a live one."""
    if isinstance(statement, Unknown):
        return
    if not isinstance(statement, Mapping):
        allowed = "a statement: a mapping with Effect and Action"
        yield place, Mistake(shortened(statement), allowed, "write a mapping")
        return
    yield from character_mistakes(statement, place) if trust and not live else ()
    yield from _unknown_elements(place, statement, TRUST_ELEMENTS if trust else STATEMENT_ELEMENTS)
    effect = statement.get("Effect")
    if effect not in EFFECTS and not isinstance(effect, Unknown):
        found = "no Effect" if "Effect" not in statement else f"the Effect {shortened(effect)}"
        yield (*place, "Effect"), Mistake(found, "Allow or Deny; case counts", nearest(effect, EFFECTS, "add Effect"))
    sid = statement.get("Sid")
    is_sid = isinstance(sid, str | None) if live else isinstance(sid, str) and SID.fullmatch(sid)
    if "Sid" in statement and not isinstance(sid, Unknown) and not is_sid:
        yield (*place, "Sid"), Mistake(f"the Sid {shortened(sid)}", "letters A-Z, a-z and digits", "remove the others")
    yield from _element_mistakes(place, statement, "Action", _not_a_name if live else _not_an_action)
    if trust:
        yield from _elements_of_trust(place, statement, live)
    else:
        yield from _element_mistakes(place, statement, "Resource", _not_a_resource)
    if "Condition" in statement:
        yield from _condition_mistakes(statement["Condition"], (*place, "Condition"), live)


def _elements_of_trust(place: Place, statement: Mapping[str, Any], live: bool) -> Iterator[Located]:
    for here, action in _placed_items((*place, "Action"), statement.get("Action")) if not live else ():
        if isinstance(action, str) and ACTION.fullmatch(action) and not STS_ACTION.fullmatch(action):
            # IAM: "AssumeRole policy may only specify STS AssumeRole actions".
            fix = "remove it; what the role may do is in its policies"
            yield here, Mistake(f"{action!r} in a trust policy", "actions of sts, such as sts:AssumeRole", fix)
    if not {"Principal", "NotPrincipal"} & statement.keys():
        yield place, Mistake("no Principal", "a Principal, which says who is trusted", "add one, such as AWS: ARN")
    if "Principal" in statement:
        yield from _principal((*place, "Principal"), statement["Principal"], live)


class Operator(NamedTuple):
    """A condition operator in its parts: `ForAllValues` or such, if any; its name; whether `IfExists` ends it."""

    of_set: str | None
    name: str
    if_exists: bool


@functools.lru_cache(maxsize=1_000)
def split_operator(text: str) -> Operator | None:
    """Return the parts of a condition operator such as `ForAnyValue:StringLikeIfExists`; None when it is not one."""
    found = _OPERATOR.fullmatch(text)
    return Operator(found[1], found[2], found[3] is not None) if found else None


def condition_mistakes(conditions: Any, place: Place = ()) -> Iterator[Located]:
    """Yield what IAM would refuse, or what can never match, in a mapping of operators, keys and values."""
    yield from character_mistakes(conditions, place) if isinstance(conditions, Mapping) else ()
    yield from _condition_mistakes(conditions, place, live=False)


def _condition_mistakes(conditions: Any, place: Place, live: bool) -> Iterator[Located]:
    shape = "a mapping of operators, each a mapping of keys and values"
    if isinstance(conditions, Unknown):
        return
    if not isinstance(conditions, Mapping):
        yield place, Mistake(shortened(conditions), shape, "write, for example, StringEquals: {aws:SourceAccount: ...}")
        return
    for operator, keys in conditions.items():
        here = (*place, operator)
        parts = None if live else split_operator(str(operator))
        if parts is None and not live:
            name = str(operator).removeprefix("ForAnyValue:").removeprefix("ForAllValues:").removesuffix("IfExists")
            fix = nearest(name, OPERATORS, "write one of IAM's, such as StringEquals, StringLike or ArnLike")
            yield here, Mistake(f"{operator!r} is not a condition operator", "an operator such as StringEquals", fix)
        if isinstance(keys, Unknown):
            continue
        if not isinstance(keys, Mapping):
            yield here, Mistake(shortened(keys), "a mapping of condition keys and their values", "write key: value")
            continue
        for key, value in keys.items():
            yield from _value_mistakes((*here, key), parts.name if parts else "", value, live)


def _value_mistakes(place: Place, operator: str, value: Any, live: bool) -> Iterator[Located]:
    values = items_of(value)
    if not (values or live) or not all(isinstance(item, str | bool | int | float | Unknown) for item in values):
        yield place, Mistake(shortened(value), "a string, or a list of strings", "write the value as a string")
    elif operator.startswith(TEXT_OPERATORS) and any(isinstance(item, int | float) for item in values):
        # YAML reads 011112222333 without quotes as another number, or drops the zero.
        found = f"{shortened(value)}, which {operator} compares as a string"
        yield place, Mistake(found, "strings", "put it in quotes")
    elif operator.startswith("StringEquals") and str(place[-1]).endswith(":sub"):
        for item in values:
            if isinstance(item, str) and WILDCARDS.search(item):
                found = f"{item!r}, where StringEquals compares * and ? literally"
                yield place, Mistake(found, "one exact subject", "use {}, or StringLike", ("trust", "subjects"))


def _unknown_elements(place: Place, elements: Mapping[str, Any], known: Collection[str]) -> Iterator[Located]:
    for element in elements:
        if element not in known:
            fix = nearest(element, known, "remove it")
            if element == "NotPrincipal" and "Principal" in known:
                fix = "name who is trusted in Principal: IAM refuses NotPrincipal in a role's trust policy"
            elif element in ("Principal", "NotPrincipal"):
                fix = "remove it: the principal of a role's policy is the role; set who may assume the role in {}"
            elif element in ("Resource", "NotResource"):
                fix = "remove it: the resource of a trust policy is the role"
            arguments: list[Place] = [("trust", "subjects")] if "{}" in fix else []
            yield (*place, element), Mistake(f"unknown element {element!r}", ", ".join(known), fix, *arguments)


def _one_of(place: Place, statement: Mapping[str, Any], one: str, other: str) -> Iterator[Located]:
    if (one in statement) == (other in statement):
        found = f"both {one} and {other}" if one in statement else f"no {one}"
        fix = f"remove {other}" if one in statement else f"add {one}"
        yield place, Mistake(found, f"either {one} or {other}", fix)


def _element_mistakes(
    place: Place, statement: Mapping[str, Any], element: str, mistake_in: Callable[[Any], Mistake | None]
) -> Iterator[Located]:
    """Yield the mistakes of an element and its opposite, which hold a string or a list of strings."""
    yield from _one_of(place, statement, element, f"Not{element}")
    for name in (element, f"Not{element}"):
        for here, item in _placed_items((*place, name), statement[name]) if name in statement else ():
            # The parts of an ARN are known without what is looked up.
            item = (text_of(item) if mistake_in is _not_a_resource else "") or item  # noqa: PLW2901 (the same item)
            # A live one may list nothing.
            is_good = isinstance(item, Unknown) or (
                mistake_in is _not_a_name and here[-1] == name and not items_of(item)
            )
            if not is_good and (mistake := mistake_in(item)):
                yield here, mistake


def _not_a_name(value: Any) -> Mistake | None:
    is_name = isinstance(value, str)
    return None if is_name else Mistake(shortened(value), "a string, or a list of strings", "write it as a string")


def _not_an_action(action: Any) -> Mistake | None:
    if isinstance(action, str) and ACTION.fullmatch(action):
        return None
    allowed = "service:Action, such as s3:GetObject or s3:Get*; or *"
    return Mistake(f"{shortened(action)} is not an action", allowed, "write the service, a colon and the action")


def _not_a_resource(resource: Any) -> Mistake | None:
    allowed = 'an ARN, such as arn:aws:s3:::my-bucket/*; or "*"'
    if resource == "*":
        return None
    if not isinstance(resource, str):
        return Mistake(shortened(resource), allowed, "write the resource's ARN")
    parts = _parts_of_arn(resource)
    if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004 (an ARN has six parts)
        fix = "write the whole ARN: arn:partition:service:region:account-id:resource"
        return Mistake(f"{resource!r} is not an ARN (six parts, separated by colons, the first is arn)", allowed, fix)
    # IAM takes no variable of its own here, but `Partition "${aws" is not valid`; one without a colon is irsa's.
    partition = resource.split(":", 2)[1]
    if partition not in (*PARTITIONS, "*") and not IAM_VARIABLE.fullmatch(partition):
        return Mistake(f"{resource!r}: the partition is {partition!r}", ", ".join(PARTITIONS), "write one of these")
    return None


def _parts_of_arn(resource: str) -> list[str]:
    return IAM_VARIABLE.sub("variable", resource).split(":", 5)


def partition_mistakes(document: Mapping[str, Any], partition: str) -> Iterator[Located]:
    """Yield the resources of another partition than the role's, in a policy document of whatever shape."""
    for place, statement in _placed_items(("Statement",), document.get("Statement")):
        for element in ("Resource", "NotResource") if isinstance(statement, Mapping) else ():
            for inner, resource in _placed_items((*place, element), statement.get(element)):
                parts = _parts_of_arn(text_of(resource))
                mistake = wrong_partition(text_of(resource), parts[1], partition) if parts[1:] else None
                if mistake:
                    yield inner, mistake


def _placed_items(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    """Yield the items of a list with their places, or the one value that stands in place of a list."""
    if not value or not isinstance(value, list | tuple):
        yield place, value
        return
    for index, item in enumerate(value):
        yield (*place, index), item


def wrong_partition(arn: str, found: str, partition: str | None) -> Mistake | None:
    """Return a mistake when the ARN is in another partition than the role: an AWS account is in one partition.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    if partition is None or found not in PARTITIONS or found == partition:
        return None
    allowed = f"{partition!r}, the partition of the role"
    return Mistake(f"{arn!r} is in the partition {found!r}", allowed, f"write {partition} instead")


def _principal(place: Place, principal: Any, live: bool) -> Iterator[Located]:
    if principal == "*" or isinstance(principal, Unknown):
        return
    if not isinstance(principal, Mapping) or not (principal or live):
        yield place, Mistake(shortened(principal), '"*", or a mapping such as {AWS: ARN}', "write AWS: ARN")
        return
    for kind, value in principal.items():
        if kind not in PRINCIPALS:
            fix = nearest(kind, PRINCIPALS, "name one of these")
            yield (*place, kind), Mistake(f"unknown principal {kind!r}", ", ".join(PRINCIPALS), fix)
        several = items_of(value)
        is_named = live or (several and all(several))
        if not is_named or not all(isinstance(item, str | Unknown) for item in several):
            numbers = any(isinstance(item, int | float) for item in several)
            fix = "put it in quotes" if numbers else "write it as a string"
            yield (*place, kind), Mistake(shortened(value), "a string, or a list of strings", fix)
        for item in several if not live else ():
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
            if isinstance(item, str) and item != "*" and re.search(r"[*?]", item):
                found = f"{shortened(item)}, with a wildcard in a part of it"
                yield (*place, kind), Mistake(found, 'a whole name or ARN, or "*"', "name the principals one by one")


def _wrong_version(version: Any) -> Mistake:
    found = "no Version" if version is None else f"the Version {shortened(version)}"
    fix = 'write "Version": "2012-10-17"'
    if isinstance(version, str) and version.startswith(VERSION):
        # Pulumi reads a date without quotes as a timestamp.
        found = "the Version 2012-10-17 without quotes, which YAML reads as a date"
        fix = 'put it in quotes: "2012-10-17"'
    return Mistake(found, '"2012-10-17", the current version of the policy language', fix)
