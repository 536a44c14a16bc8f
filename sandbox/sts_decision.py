"""A second opinion on trust policies: who may assume a role by a web identity, as strict as possible.

The product has an evaluator of its own; this one shares nothing with it, so that neither hides the other's errors.
What it does not know, it refuses. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

ACTION = "sts:AssumeRoleWithWebIdentity"
_ELEMENTS = ("Sid", "Effect", "Principal", "Action", "Condition")
# A web identity is none of these: an IAM user or role, a service, or what comes through another provider. "*" inside of
# a name is not documented, nor is whether a web identity counts as the account's (an account's number, its root):
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
_OTHER_PRINCIPALS = {
    "AWS": re.compile(r"arn:[\w-]+:iam::\d{12}:(user|role)/[^*?]+", re.ASCII),
    "Federated": re.compile("[^*?]+"),
    "Service": re.compile("[^*?]+"),
}
# A request over loopback comes through no VPC endpoint, and only one that does has these keys:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sts_vpc_condition_keys_federated.html
_OF_VPC_ENDPOINTS = ("aws:sourcevpc", "aws:sourcevpcarn", "aws:sourcevpce", "aws:vpcsourceip")
# A token fills the keys of its own provider, which begin with the provider's host; so those of another are absent:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
_CLAIM_OF_A_PROVIDER = re.compile(r"[\w-]+(\.[\w-]+)+(/[^:]*)?:(aud|sub)")


class CannotDecideError(Exception):
    """Elements that this evaluator has no rule for."""


def trusts(policy: Mapping[str, Any], provider_arn: str, context: Mapping[str, str]) -> bool:
    """Return whether the trust policy admits a token that comes through this provider.

    Args:
        policy: The trust policy.
        provider_arn: The IAM OIDC provider of the token's issuer.
        context: The condition keys that the request has, among them aud and sub of the token, and their values.

    Raises:
        CannotDecideError: The answer would need a rule that is not here.
    """
    statements = _listed(policy["Statement"])
    applying = {s["Effect"] for s in statements if _applies(s, provider_arn, context)}
    return applying == {"Allow"}


def _applies(statement: Mapping[str, Any], provider_arn: str, context: Mapping[str, str]) -> bool:
    """Return whether the statement is about the request; one element that does not match decides alone."""
    matches = list(_matches(statement, provider_arn, context))
    if any(matched is False for _, matched in matches):
        return False
    unknown = ", ".join(element for element, matched in matches if matched is None)
    if unknown:
        raise CannotDecideError(unknown)
    return True


def _matches(
    statement: Mapping[str, Any], provider_arn: str, context: Mapping[str, str]
) -> Iterator[tuple[str, bool | None]]:
    """Yield each element of a statement and whether it matches the request, None where no rule says."""
    yield "Principal", _principal(statement.get("Principal"), provider_arn)
    actions = _strings(statement.get("Action"))
    yield "Action", _any(_like(ACTION.lower(), action.lower()) for action in actions)
    conditions = statement.get("Condition", {})
    for operator, keys in conditions.items() if isinstance(conditions, dict) else [("", None)]:
        for key, wanted in keys.items() if keys and isinstance(keys, dict) else [("", None)]:
            yield f"Condition {operator} {key}", _condition(operator, _strings(wanted), _found(key.lower(), context))
    yield from ((name, None) for name in statement if name not in _ELEMENTS)


def _principal(principal: Any, provider_arn: str) -> bool | None:
    by_type = {"AWS": principal} if principal == "*" else principal if isinstance(principal, dict) else {}
    return _any(_names(kind, name, provider_arn) for kind, names in by_type.items() for name in _strings(names) or [""])


def _names(kind: str, name: str, provider_arn: str) -> bool | None:
    if (kind, name) in {("AWS", "*"), ("Federated", provider_arn)}:
        return True
    return False if kind in _OTHER_PRINCIPALS and _OTHER_PRINCIPALS[kind].fullmatch(name) else None


def _found(key: str, context: Mapping[str, str]) -> list[str] | None:
    """Return the values of a condition key, none of one that the request does not have, None where that is unknown."""
    values = [value for name, value in context.items() if name.lower() == key]
    return values if values or key in _OF_VPC_ENDPOINTS or _CLAIM_OF_A_PROVIDER.fullmatch(key) else None


def _condition(operator: str, wanted: list[str], found: list[str] | None) -> bool | None:
    if found is None or not wanted or any("${" in value for value in wanted):
        return None
    if operator == "Null":
        return ("false" if found else "true") in wanted if {"true", "false"}.issuperset(wanted) else None
    name = operator.removesuffix("IfExists")
    positive = _NEGATED.get(name, name)
    negated = positive != name
    if positive not in _COMPARE:
        return None
    if not found:
        return negated or name != operator
    matched = _any(_COMPARE[positive](found[0], value) for value in wanted)
    return None if matched is None else matched != negated


def _like(found: str, pattern: str) -> bool:
    first, *between = ("".join("." if each == "?" else re.escape(each) for each in part) for part in pattern.split("*"))
    if not between:
        return re.fullmatch(first, found, re.DOTALL) is not None
    # What follows a * may as well be the first that matches: without a way back, many of them take no longer.
    *middle, last = between
    expression = first + "".join(f"(?>.*?{part})" for part in middle) + f".*{last}"
    return re.fullmatch(expression, found, re.DOTALL) is not None


def _address(found: str, wanted: str) -> bool | None:
    try:
        return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return None


_COMPARE: Mapping[str, Callable[[str, str], bool | None]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: found.lower() == wanted.lower(),
    "StringLike": _like,
    "IpAddress": _address,
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NotIpAddress": "IpAddress",
}


def _any(matches: Iterable[bool | None]) -> bool | None:
    """Return whether one matches; None where that is unknown, and where there is none."""
    outcomes = set(matches)
    return True if True in outcomes else False if outcomes == {False} else None


def _strings(value: Any) -> list[str]:
    """Return one string or several as a list, a boolean as its word; an empty list if anything else is among them."""
    strings = [str(item).lower() if isinstance(item, bool) else item for item in _listed(value)]
    return strings if all(isinstance(item, str) for item in strings) else []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
