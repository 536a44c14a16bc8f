"""The trust policy of a role for service accounts.

It is the document of https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html, with these
rules: one statement per OIDC provider; `aud` is always compared with StringEquals; `sub` is always there, and compared
with StringLike only where a subject has a wildcard; the same input makes the same text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import is_pattern, subject_claim

ACTION = "sts:AssumeRoleWithWebIdentity"
DEFAULT_AUDIENCE = "sts.amazonaws.com"
Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


def trust_document(
    provider_arns: Sequence[str],
    subjects: Sequence[str],
    audience: str = DEFAULT_AUDIENCE,
    conditions: Conditions | None = None,
    statements: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the trust policy as minified JSON.

    Args:
        provider_arns: ARNs of the IAM OIDC providers, one per cluster, all in the role's AWS account.
        subjects: `namespace:name` patterns, at least one.
        audience: The audience of the tokens.
        conditions: Further conditions of each statement, operator -> key -> value or values, as IAM writes them.
        statements: Whole statements to add, as IAM writes them.

    Raises:
        ValueError: No subject or no provider: the role would trust nobody or, without `sub`, everybody.
        Mistake: A provider ARN is not one.
    """
    if not subjects or not provider_arns:
        raise ValueError("a trust policy needs at least one subject and one OIDC provider")
    trusting = [_statement(arn, subjects, audience, conditions or {}) for arn in sorted(set(provider_arns))]
    return minified({"Version": VERSION, "Statement": [*trusting, *statements]})


def check_conditions(conditions: Conditions) -> None:
    """Refuse further conditions on the token's `aud` and `sub`, which irsa writes itself.

    Raises:
        Mistake: There is such a condition. irsa would replace it, and the trust would be wider than it looks.
    """
    for operator, keys in conditions.items():
        for key in keys:
            if key.lower().endswith((":aud", ":sub")):
                found = f"the condition {named(operator)} on {key!r}, which irsa writes itself"
                allowed, arguments = "conditions on keys other than aud and sub", (("audience",), ("subjects",))
                raise Mistake(found, allowed, "remove it, and set {} or {}", *arguments)


def _statement(provider_arn: str, subjects: Sequence[str], audience: str, conditions: Conditions) -> dict[str, Any]:
    issuer = issuer_of_provider(provider_arn)
    claims = [subject_claim(subject) for subject in sorted(set(subjects))]
    operator = "StringLike" if any(is_pattern(subject) for subject in subjects) else "StringEquals"
    condition: dict[str, dict[str, Any]] = {name: dict(keys) for name, keys in conditions.items()}
    condition.setdefault("StringEquals", {})[f"{issuer}:aud"] = audience
    condition.setdefault(operator, {})[f"{issuer}:sub"] = claims[0] if len(claims) == 1 else claims
    return {"Effect": "Allow", "Principal": {"Federated": provider_arn}, "Action": ACTION, "Condition": condition}


def federated_providers(document: str) -> dict[str, list[list[str]]]:
    """Return the ARNs of the OIDC providers that a trust policy trusts.

    Each has, for every such statement, the audiences in its StringEquals condition; a token must have one of them.
    """
    found: dict[str, list[list[str]]] = {}
    for statement in items_of(json.loads(document).get("Statement", [])):
        principal = statement.get("Principal") if statement.get("Effect") == "Allow" else None
        for arn in items_of(principal.get("Federated", [])) if isinstance(principal, dict) else ():
            if ":oidc-provider/" in arn:
                key = f"{issuer_of_provider(arn)}:aud"
                conditions = (statement.get("Condition") or {}).get("StringEquals") or {}
                values = [items_of(conditions[name]) for name in conditions if name.lower() == key.lower()]
                found.setdefault(arn, []).append([each for several in values for each in several])
    return found


def minified(document: object) -> str:
    """Return JSON without white space and with sorted keys: an unchanged document has an unchanged text."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
