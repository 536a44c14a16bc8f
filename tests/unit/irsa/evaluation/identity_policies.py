"""What IAM decides about a request of a role, stated again without code of the product, for one context at a time.

From AWS's pages: reference_policies_evaluation-logic.html, reference_policies_elements_notaction.html and
_notresource.html, reference_policies_elements_condition_operators.html, reference_policies_variables.html.
"""

import functools
import ipaddress
import itertools
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Context = Mapping[str, Sequence[str]]
# The documents, and the permissions boundary.
Role = tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]
# Of these keys somebody else decides, of the others the caller; the values are all that a, a* and * can tell apart.
WORLD: Mapping[str, Sequence[Sequence[str]]] = {
    "aws:resourcetag/team": ((), ("a",), ("c",)),
    "aws:principaltag/team": (("a",), ("b",)),
}
CALLER: Mapping[str, Sequence[Sequence[str]]] = {
    "aws:useragent": (("a",), ("ab",), ("c",)),
    "aws:requesttag/team": ((), ("a",), ("ab",), ("c",)),
    "aws:securetransport": (("true",), ("false",)),
}
VARIABLE = "${aws:PrincipalTag/team}"


def contexts(keys: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[Context]:
    return (dict(zip(keys, values, strict=True)) for values in itertools.product(*keys.values()))


def several(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@functools.cache
def glob(pattern: str, text: str, team: str = "", flags: int = 0) -> bool:
    """Compare by a regular expression of single characters, after the variables."""
    expression = ""
    for part in re.split(r"(\$\{[^}]*\})", pattern):
        if part in ("${*}", "${?}", "${$}"):
            expression += re.escape(part[2])
        elif part == VARIABLE:
            expression += re.escape(team)
        else:
            expression += "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in part)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None


def _ip(pattern: str, value: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(pattern)


def _arn(pattern: str, value: str) -> bool:
    parts = pattern.split(":", 5), value.split(":", 5)
    return len(parts[0]) == len(parts[1]) and all(map(glob, *parts))


# By the page of the operators; dates are of one form here, and compare as they are spelled.
COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": glob,
    "Bool": operator.eq,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "IpAddress": _ip,
    "NumericEquals": lambda wanted, value: int(wanted) == int(value),
    "NumericLessThan": lambda wanted, value: int(value) < int(wanted),
    "DateGreaterThan": operator.lt,
}


def met(operator_: str, wanted: Sequence[str], found: Sequence[str]) -> bool:
    if operator_ == "Null":
        return (not found) in [each == "true" for each in wanted]
    if operator_.endswith("IfExists"):
        return not found or met(operator_.removesuffix("IfExists"), wanted, found)
    of_set, _, name = operator_.rpartition(":")
    compare = COMPARE[name.replace("Not", "")]
    matching = [any(compare(pattern, value) for pattern in wanted) is not ("Not" in name) for value in found]
    return all(matching) if of_set == "ForAllValues" or (not found and "Not" in name and not of_set) else any(matching)


def applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    (team,) = context.get("aws:principaltag/team", ("",))

    def named(element: str, text: str, flags: int = 0) -> bool:
        if f"Not{element}" in statement:
            return not any(glob(each, text, team, flags) for each in several(statement[f"Not{element}"]))
        return any(glob(each, text, team, flags) for each in several(statement[element]))

    conditions = statement.get("Condition", {})
    return (
        named("Action", action, re.IGNORECASE)
        and named("Resource", resource)
        and all(
            met(operator_, several(wanted), context[key.lower()])
            for operator_, keys in conditions.items()
            for key, wanted in keys.items()
        )
    )


def allowed(role: Role, action: str, resource: str, context: Context) -> bool:
    """Return whether one request is allowed: no Deny anywhere, and an Allow in the policies and in the boundary."""
    documents, boundary = role
    effects = [
        [each["Effect"] for each in document["Statement"] if applies(each, action, resource, context)]
        for document in (*documents, *([boundary] if boundary else []))
    ]
    in_boundary = effects.pop() if boundary else ["Allow"]
    found = [effect for of_document in effects for effect in of_document]
    return "Deny" not in [*found, *in_boundary] and "Allow" in found and "Allow" in in_boundary


def decisions(role: Role, action: str, resource: str) -> list[bool]:
    """Return the decision for each request that there can be."""
    return [allowed(role, action, resource, each) for each in contexts({**WORLD, **CALLER})]


def allow(action: Any = "s3:*", resource: Any = "*", **others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **others}


def deny(action: Any = "s3:*", resource: Any = "*", **others: Any) -> dict[str, Any]:
    return {**allow(action, resource, **others), "Effect": "Deny"}


def under(**condition: Any) -> dict[str, Any]:
    return {"Condition": condition}
