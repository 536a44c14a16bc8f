"""The grammar of policy documents: what IAM would refuse, told before it is asked.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html (elements and their shapes),
reference_policies_elements.html (values) and reference_policies_elements_condition_operators.html (operators).
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from irsa.rules.arns import PARTITIONS
from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import WILDCARDS

Part = tuple[str | int, ...]
Found = tuple[Part, Mistake]
VERSION = "2012-10-17"
DOCUMENT_ELEMENTS = ("Version", "Id", "Statement")
STATEMENT_ELEMENTS = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
# No NotPrincipal: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
TRUST_ELEMENTS = ("Sid", "Effect", "Principal", "Action", "NotAction", "Condition")
EFFECTS = ("Allow", "Deny")
PRINCIPALS = ("AWS", "Federated", "Service", "CanonicalUser")
OPERATORS = (
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike"),
    *("StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan"),
    *("DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress"),
    *("NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null"),
)
ACTION = re.compile(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
SID = re.compile(r"[a-zA-Z0-9]*")
# IAM's variables may stand anywhere in an ARN, and hold colons: ${aws:PrincipalTag/team}.
IAM_VARIABLE = re.compile(r"\$\{[^}]*\}")


def document_mistakes(document: Mapping[str, Any], partition: str | None = None) -> Iterator[Found]:
    """Give what IAM would refuse in a policy of a role, each with its place in the document.

    Args:
        document: A policy document.
        partition: The partition of the role's account, where it is known.
    """
    yield from _unknown_elements((), document, DOCUMENT_ELEMENTS)
    version = document.get("Version")
    if version != VERSION:
        yield ("Version",), _wrong_version(version)
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        yield from statement_mistakes(statements, ("Statement",), partition)
    elif not isinstance(statements, list) or not statements:
        found = "no Statement" if "Statement" not in document else _shown(statements)
        yield ("Statement",), Mistake(found, "a list of statements", "add a statement with Effect, Action and Resource")
    else:
        sids: dict[str, int] = {}
        for index, statement in enumerate(statements):
            place: Part = ("Statement", index)
            yield from statement_mistakes(statement, place, partition)
            sid = statement.get("Sid") if isinstance(statement, Mapping) else None
            if isinstance(sid, str) and sid and sids.setdefault(sid, index) != index:
                found = f"the Sid {sid!r} is also that of statement {sids[sid]}"
                yield (*place, "Sid"), Mistake(found, "a Sid once in a document", "rename one, or leave it out")


def statement_mistakes(
    statement: Any, place: Part = (), partition: str | None = None, trust: bool = False
) -> Iterator[Found]:
    """Give what IAM would refuse in one statement, of a policy or of a trust policy."""
    if not isinstance(statement, Mapping):
        yield place, Mistake(_shown(statement), "a statement: an object with Effect and Action", "write it as one")
        return
    yield from _unknown_elements(place, statement, TRUST_ELEMENTS if trust else STATEMENT_ELEMENTS)
    effect = statement.get("Effect")
    if effect not in EFFECTS:
        found = "no Effect" if "Effect" not in statement else f"the Effect {_shown(effect)}"
        yield (*place, "Effect"), Mistake(found, "Allow or Deny, in this case", _nearest(effect, EFFECTS, "add Effect"))
    sid = statement.get("Sid")
    if sid is not None and not (isinstance(sid, str) and SID.fullmatch(sid)):
        yield (*place, "Sid"), Mistake(f"the Sid {_shown(sid)}", "letters A-Z, a-z and digits", "leave out the rest")
    yield from _listed(place, statement, "Action", _not_an_action)
    if trust:
        if not {"Principal", "NotPrincipal"} & statement.keys():
            yield place, Mistake("no Principal", "a Principal, who is trusted", "add one, such as AWS: ARN")
        yield from _principal(place, statement.get("Principal"))
    else:
        yield from _listed(place, statement, "Resource", lambda resource: _not_a_resource(resource, partition))
    if "Condition" in statement:
        yield from condition_mistakes(statement["Condition"], (*place, "Condition"))


def condition_mistakes(conditions: Any, place: Part = ()) -> Iterator[Found]:
    """Give what IAM would refuse, or what can never match, in a map of operators, keys and values."""
    shape = "a map of operators, each a map of keys and values"
    if not isinstance(conditions, Mapping):
        yield place, Mistake(_shown(conditions), shape, "write, for example, StringEquals: {aws:SourceAccount: ...}")
        return
    for operator, keys in conditions.items():
        here = (*place, operator)
        plain = str(operator).removeprefix("ForAnyValue:").removeprefix("ForAllValues:").removesuffix("IfExists")
        if plain not in OPERATORS:
            fix = _nearest(plain, OPERATORS, "see IAM's list of condition operators")
            yield here, Mistake(f"{operator!r} is no condition operator", "an operator such as StringEquals", fix)
        if not isinstance(keys, Mapping):
            yield here, Mistake(_shown(keys), "a map of condition keys and their values", "write key: value")
            continue
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(item, str | bool | int | float) for item in values):
                yield (*here, key), Mistake(_shown(value), "a text or a list of texts", "write the value as text")
            elif plain.startswith("StringEquals") and str(key).endswith(":sub"):
                yield from _wildcards_that_do_not_work((*here, key), values)


def _wildcards_that_do_not_work(place: Part, values: list[Any]) -> Iterator[Found]:
    for value in values:
        if isinstance(value, str) and WILDCARDS.search(value):
            found = f"{value!r}, where StringEquals takes * and ? as plain characters"
            yield place, Mistake(found, "one exact subject", "use StringLike, or better trust.subjects")


def _unknown_elements(place: Part, elements: Mapping[str, Any], known: Collection[str]) -> Iterator[Found]:
    for element in elements:
        if element not in known:
            fix = _nearest(element, known, "remove it")
            if element == "NotPrincipal" and "Principal" in known:
                fix = "name who is trusted in Principal: IAM takes no NotPrincipal in a role's trust policy"
            elif element in ("Principal", "NotPrincipal"):
                fix = "remove it: a role's policy is for the role itself; who may assume it is said in trust"
            elif element in ("Resource", "NotResource"):
                fix = "remove it: a trust policy is about this role only"
            yield (*place, element), Mistake(f"unknown element {element!r}", ", ".join(known), fix)


def _one_of(place: Part, statement: Mapping[str, Any], one: str, other: str) -> Iterator[Found]:
    if (one in statement) == (other in statement):
        found = f"both {one} and {other}" if one in statement else f"no {one}"
        yield (
            place,
            Mistake(found, f"{one}, or {other} for all but those", f"add {one}" if "no " in found else f"keep {one}"),
        )


def _listed(
    place: Part, statement: Mapping[str, Any], element: str, mistake_in: Callable[[Any], Mistake | None]
) -> Iterator[Found]:
    """Give the mistakes of an element and its opposite, which hold a text or a list of texts."""
    yield from _one_of(place, statement, element, f"Not{element}")
    for name in (element, f"Not{element}"):
        value = statement.get(name, [])
        several = isinstance(value, list) and value
        items = enumerate(value) if several else [(None, value)] if name in statement else []
        for index, item in items:
            mistake = mistake_in(item)
            if mistake:
                yield (*place, name) if index is None else (*place, name, index), mistake


def _not_an_action(action: Any) -> Mistake | None:
    if isinstance(action, str) and ACTION.fullmatch(action):
        return None
    fix = "write one, such as s3:GetObject"
    if isinstance(action, str) and action.count(":") == 0 and action:
        fix = f"put the service in front, such as s3:{action}"
    return Mistake(f"{_shown(action)} is not an action", "service:Action, such as s3:GetObject or s3:Get*; or *", fix)


def _not_a_resource(resource: Any, partition: str | None) -> Mistake | None:
    allowed = 'an ARN, such as arn:aws:s3:::my-bucket/*; or "*"'
    if resource == "*":
        return None
    if not isinstance(resource, str):
        return Mistake(_shown(resource), allowed, "write the resource's ARN")
    parts = IAM_VARIABLE.sub("variable", resource).split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004 (an ARN has six parts)
        fix = "write the whole ARN: arn:partition:service:region:account:resource"
        return Mistake(f"{resource!r} is not an ARN (six parts, separated by colons, the first is arn)", allowed, fix)
    if parts[1] not in (*PARTITIONS, "*", "variable"):
        known = ", ".join(PARTITIONS)
        return Mistake(f"{resource!r}: the partition is {parts[1]!r}", known, "write one of these")
    return wrong_partition(resource, parts[1], partition)


def wrong_partition(arn: str, found: str, partition: str | None) -> Mistake | None:
    """Give a mistake when the ARN is of another partition than the account, which holds nothing of another one."""
    if partition is None or found not in PARTITIONS or found == partition:
        return None
    allowed = f"the partition {partition!r}, that of the region"
    fix = f"write {partition} instead (or ${{partition}}, in a stack file)"
    return Mistake(f"{arn!r} is of the partition {found!r}", allowed, fix)


def _principal(place: Part, principal: Any) -> Iterator[Found]:
    if principal is None or principal == "*":
        return
    if not isinstance(principal, Mapping) or not principal:
        yield (*place, "Principal"), Mistake(_shown(principal), '"*", or a map such as {AWS: ARN}', "write AWS: ARN")
        return
    for kind in principal:
        if kind not in PRINCIPALS:
            fix = _nearest(kind, PRINCIPALS, "name one of these")
            yield (*place, "Principal", kind), Mistake(f"unknown principal {kind!r}", ", ".join(PRINCIPALS), fix)


def _wrong_version(version: Any) -> Mistake:
    found = "no Version" if version is None else f"the Version {_shown(version)}"
    fix = 'write "Version": "2012-10-17"'
    if isinstance(version, str) and version.startswith(VERSION):
        # Pulumi reads a date without quotes as a moment in time.
        found, fix = (
            "the Version 2012-10-17 without quotes, which YAML reads as a date",
            'put it in quotes: "2012-10-17"',
        )
    return Mistake(found, '"2012-10-17", the only one that IAM takes for a role\'s policies', fix)


def _nearest(text: object, known: Collection[str], otherwise: str) -> str:
    lower = {item.lower(): item for item in known}
    nearest = difflib.get_close_matches(str(text).lower(), lower, n=1)
    return f"did you mean {lower[nearest[0]]}?" if nearest else otherwise


def _shown(value: object) -> str:
    """Give a value in a message; a long one is cut."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 (a line of a terminal)
