"""A second opinion on trust policies: who may assume a role, as strict as possible.

The product has an evaluator of its own; this one shares nothing with it, so that neither hides the other's errors.
What it does not know, it refuses. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import ipaddress
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

ACTION = "sts:AssumeRoleWithWebIdentity"
_ARN_PARTS = 6
_STATEMENT = ("Sid", "Effect", "Action", "Condition")
# Whoever asks is none of these: an IAM user or role, a service, or what comes through another provider. "*" inside of
# a name is not documented, nor is whether a web identity counts as the account's (an account's number, its root):
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
_OTHER_PRINCIPALS = {
    "AWS": re.compile(r"arn:[\w-]+:iam::\d{12}:(user|role)/[^*?]+", re.ASCII),
    "Federated": re.compile("[^*?]+"),
    "Service": re.compile("[^*?]+"),
}
# A service is in no account, and a role of one account is in no other: "AWS account principals" on the same page.
_ACCOUNT = re.compile(r"\d{12}|arn:[\w-]+:iam::\d{12}:root", re.ASCII)
# A request over loopback comes through no VPC endpoint, and only one that does has these keys:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sts_vpc_condition_keys_federated.html
_OF_VPC_ENDPOINTS = r"aws:sourcevpc|aws:sourcevpcarn|aws:sourcevpce|aws:vpcsourceip"
# A token fills the keys of its own provider, which begin with the provider's host; so those of another are absent:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
_CLAIM_OF_A_PROVIDER = r"[\w-]+(\.[\w-]+)+(/[^:]*)?:(aud|sub)"
_ABSENT_WITH_A_TOKEN = re.compile(f"{_OF_VPC_ENDPOINTS}|{_CLAIM_OF_A_PROVIDER}")
# Without these tags a session has none: no other key is known to be absent where EKS or a role asks.
_ABSENT_WITHOUT_A_TOKEN = re.compile(f"aws:(request|principal)tag/.*|sts:externalid|{_CLAIM_OF_A_PROVIDER}")


class CannotDecideError(Exception):
    """Elements that this evaluator has no rule for."""


class Request(NamedTuple):
    """What is asked.

    Attributes:
        action: The action.
        element: The element of a statement that says whom or what the statement is about.
        concerns: Whether that element's value includes the one who asks, None where no rule says.
        context: The condition keys that the request has, and their values.
        absent: The keys, in lower case, that it is known not to have.
    """

    action: str
    element: str
    concerns: Callable[[Any], bool | None]
    context: Mapping[str, str]
    absent: re.Pattern[str]


def trusts(policy: Mapping[str, Any], provider_arn: str, context: Mapping[str, str]) -> bool:
    """Return whether the trust policy admits a token that comes through this provider.

    Args:
        policy: The trust policy.
        provider_arn: The IAM OIDC provider of the token's issuer.
        context: The condition keys that the request has, among them aud and sub of the token, and their values.

    Raises:
        CannotDecideError: The answer would need a rule that is not here.
    """
    named = {("AWS", "*"), ("Federated", provider_arn)}
    concerns = partial(_principal, named, in_no_other_account=False)
    return _allowed(policy, Request(ACTION, "Principal", concerns, context, _ABSENT_WITH_A_TOKEN))


def trusts_service(policy: Mapping[str, Any], service: str, actions: Iterable[str], context: Mapping[str, str]) -> bool:
    """Return whether the trust policy allows all of these actions to an AWS service.

    Whether "*" is a service, too, is not documented.

    Raises:
        CannotDecideError: The answer would need a rule that is not here.
    """
    concerns = partial(_principal, {("Service", service)}, in_no_other_account=True)
    return _allows_all(policy, actions, Request("", "Principal", concerns, context, _ABSENT_WITHOUT_A_TOKEN))


def trusts_role(policy: Mapping[str, Any], role_arn: str, actions: Iterable[str], context: Mapping[str, str]) -> bool:
    """Return whether the trust policy allows all of these actions to a role, or to the AWS account that it is in.

    Raises:
        CannotDecideError: The answer would need a rule that is not here.
    """
    account = role_arn.split(":")[4]
    root = f"{role_arn.partition(':role/')[0]}:root"
    named = {("AWS", "*"), ("AWS", role_arn), ("AWS", root), ("AWS", account)}
    concerns = partial(_principal, named, in_no_other_account=True)
    return _allows_all(policy, actions, Request("", "Principal", concerns, context, _ABSENT_WITHOUT_A_TOKEN))


def permits(
    policies: Iterable[Mapping[str, Any]], arn: str, actions: Iterable[str], context: Mapping[str, str]
) -> bool:
    """Return whether a role's own policies allow it all of these actions on another role.

    Raises:
        CannotDecideError: The answer would need a rule that is not here.
    """
    together = {"Statement": [statement for policy in policies for statement in listed(policy["Statement"])]}

    def concerns(resources: Any) -> bool | None:
        return _any(_like(arn, resource) for resource in _strings(resources))

    return _allows_all(together, actions, Request("", "Resource", concerns, context, _ABSENT_WITHOUT_A_TOKEN))


def _allows_all(policy: Mapping[str, Any], actions: Iterable[str], request: Request) -> bool:
    return all(_allowed(policy, request._replace(action=action)) for action in actions)


def _allowed(policy: Mapping[str, Any], request: Request) -> bool:
    applying = {statement["Effect"] for statement in listed(policy["Statement"]) if _applies(statement, request)}
    return applying == {"Allow"}


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    """Return whether the statement is about the request; one element that does not match decides alone."""
    matches = list(_matches(statement, request))
    if any(matched is False for _, matched in matches):
        return False
    unknown = ", ".join(element for element, matched in matches if matched is None)
    if unknown:
        raise CannotDecideError(unknown)
    return True


def _matches(statement: Mapping[str, Any], request: Request) -> Iterator[tuple[str, bool | None]]:
    """Yield each element of a statement and whether it matches the request, None where no rule says."""
    yield request.element, request.concerns(statement.get(request.element))
    actions = _strings(statement.get("Action"))
    yield "Action", _any(_like(request.action.lower(), action.lower()) for action in actions)
    conditions = statement.get("Condition", {})
    for operator, keys in conditions.items() if isinstance(conditions, dict) else [("", None)]:
        for key, wanted in keys.items() if keys and isinstance(keys, dict) else [("", None)]:
            yield f"Condition {operator} {key}", _condition(operator, _strings(wanted), _found(key.lower(), request))
    yield from ((name, None) for name in statement if name not in (*_STATEMENT, request.element))


def _principal(named: Container[tuple[str, str]], principal: Any, *, in_no_other_account: bool) -> bool | None:
    by_type = {"AWS": principal} if principal == "*" else principal if isinstance(principal, dict) else {}
    names = ((kind, name) for kind, names in by_type.items() for name in _strings(names) or [""])
    return _any(_names(kind, name, named, in_no_other_account=in_no_other_account) for kind, name in names)


def _names(kind: str, name: str, named: Container[tuple[str, str]], *, in_no_other_account: bool) -> bool | None:
    if (kind, name) in named:
        return True
    if in_no_other_account and kind == "AWS" and _ACCOUNT.fullmatch(name):
        return False
    return False if kind in _OTHER_PRINCIPALS and _OTHER_PRINCIPALS[kind].fullmatch(name) else None


def _found(key: str, request: Request) -> list[str] | None:
    """Return the values of a condition key, none of one that the request does not have, None where that is unknown."""
    values = [value for name, value in request.context.items() if name.lower() == key]
    return values if values or request.absent.fullmatch(key) else None


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


def _arn(found: str, wanted: str) -> bool | None:
    """Compare each of the six parts alone, as ArnEquals and ArnLike both do."""
    parts, patterns = (arn.split(":", 5) for arn in (found, wanted))
    return all(map(_like, parts, patterns)) if len(parts) == len(patterns) == _ARN_PARTS else None


_COMPARE: Mapping[str, Callable[[str, str], bool | None]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: found.lower() == wanted.lower(),
    "StringLike": _like,
    "IpAddress": _address,
    "ArnEquals": _arn,
    "ArnLike": _arn,
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _any(matches: Iterable[bool | None]) -> bool | None:
    """Return whether one matches; None where that is unknown, and where there is none."""
    outcomes = set(matches)
    return True if True in outcomes else False if outcomes == {False} else None


def _strings(value: Any) -> list[str]:
    """Return one string or several as a list, a boolean as its word; an empty list if anything else is among them."""
    strings = [str(item).lower() if isinstance(item, bool) else item for item in listed(value)]
    return strings if all(isinstance(item, str) for item in strings) else []


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
