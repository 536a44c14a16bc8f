"""A second opinion on trust policies: who may assume a role by a web identity, as strict as possible.

The product has an evaluator of its own; this one shares nothing with it, so that neither hides the other's mistakes.
What it does not know, it refuses. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

ACTION = "sts:AssumeRoleWithWebIdentity"
# A request over loopback comes through no VPC endpoint, and only one that does has these keys:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sts_vpc_condition_keys_federated.html
_OF_VPC_ENDPOINTS = ("aws:sourcevpc", "aws:sourcevpcarn", "aws:sourcevpce", "aws:vpcsourceip")
# A token fills the keys of its own provider, which begin with the provider's host; so those of another are absent:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
_CLAIM_OF_A_PROVIDER = re.compile(r"[\w-]+(\.[\w-]+)+(/[^:]*)?:(aud|sub)")


class CannotEvaluateError(Exception):
    """An element that this evaluator has no rule for."""


def trusts(policy: Mapping[str, Any], provider_arn: str, context: Mapping[str, str]) -> bool:
    """Tell whether the trust policy admits a token that comes through this provider.

    Args:
        policy: The trust policy.
        provider_arn: The IAM OIDC provider of the token's issuer.
        context: The condition keys that the request has, among them aud and sub of the token, and their values.

    Raises:
        CannotEvaluateError: The answer would need a rule that is not here.
    """
    statements = _listed(policy["Statement"])
    applying = {s["Effect"] for s in statements if _applies(s, provider_arn, context)}
    return applying == {"Allow"}


def _applies(statement: Mapping[str, Any], provider_arn: str, context: Mapping[str, str]) -> bool:
    unknown = set(statement) - {"Sid", "Effect", "Principal", "Action", "Condition"}
    if unknown:
        raise CannotEvaluateError(", ".join(sorted(unknown)))
    principal = statement["Principal"]
    federated = _listed(principal.get("Federated", [])) if isinstance(principal, dict) else []
    everybody = principal == "*" or (isinstance(principal, dict) and "*" in _listed(principal.get("AWS", [])))
    if not everybody and provider_arn not in federated:
        return False
    if not any(_like(ACTION.lower(), action.lower()) for action in _listed(statement["Action"])):
        return False
    unknown_conditions = []
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            try:
                if not _condition(operator, _listed(wanted), _found(key.lower(), context)):
                    return False
            except CannotEvaluateError as error:
                # One that fails decides alone, wherever it stands.
                unknown_conditions.append(str(error))
    if unknown_conditions:
        raise CannotEvaluateError(", ".join(unknown_conditions))
    return True


def _found(key: str, context: Mapping[str, str]) -> str | None:
    """Give the value of a condition key, None where it is known that the request does not have it."""
    present = {name.lower(): value for name, value in context.items()}
    if key in present:
        return present[key]
    if key in _OF_VPC_ENDPOINTS or _CLAIM_OF_A_PROVIDER.fullmatch(key):
        return None
    raise CannotEvaluateError(f"the condition key {key}")


def _condition(operator: str, wanted: list[Any], found: str | None) -> bool:
    texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in wanted]
    if operator == "Null":
        return ("true" if found is None else "false") in texts
    name = operator.removesuffix("IfExists")
    positive = name.replace("Not", "", 1)
    if positive not in _COMPARE or any("${" in text for text in texts):
        raise CannotEvaluateError(f"{operator} {texts}")
    negated = positive != name
    if found is None:
        return negated or name != operator
    return any(_COMPARE[positive](found, text) for text in texts) != negated


def _like(found: str, pattern: str) -> bool:
    parts = [".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern)]
    return re.fullmatch("".join(parts), found, re.DOTALL) is not None


def _address(found: str, wanted: str) -> bool:
    return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: found.lower() == wanted.lower(),
    "StringLike": _like,
    "IpAddress": _address,
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
