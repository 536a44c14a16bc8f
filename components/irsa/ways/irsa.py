"""IRSA: the token of a service account, by the IAM OIDC provider of its cluster.

Its document is that of https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html, with these
rules: one statement per OIDC provider; `aud` is always compared with StringEquals; `sub` is always there, and compared
with StringLike only where a subject has a wildcard.
"""

from collections.abc import Iterator

from irsa.rules.arns import issuer_of_provider
from irsa.rules.subjects import is_pattern, subject_claim
from irsa.rules.trust import ACTION
from irsa.ways.way import TrustParts, Way


def _statements(parts: TrustParts) -> Iterator[dict[str, object]]:
    claims = [subject_claim(subject) for subject in sorted(set(parts.subjects))]
    operator = "StringLike" if any(map(is_pattern, parts.subjects)) else "StringEquals"
    for arn in sorted(set(parts.oidc_provider_arns)):
        issuer = issuer_of_provider(arn)
        condition: dict[str, dict[str, object]] = {name: dict(keys) for name, keys in (parts.conditions or {}).items()}
        condition.setdefault("StringEquals", {})[f"{issuer}:aud"] = parts.audience
        condition.setdefault(operator, {})[f"{issuer}:sub"] = claims[0] if len(claims) == 1 else claims
        yield {"Effect": "Allow", "Principal": {"Federated": arn}, "Action": ACTION, "Condition": condition}


IRSA = Way(
    key="irsa",
    name="IRSA",
    statements=_statements,
    needs="oidc_provider_arns",
    arguments=(
        *(("oidc_provider_arns",), ("audience",), ("trust", "any_service_account")),
        *(("service_account", "sts_regional_endpoints"), ("service_account", "token_expiration")),
    ),
    instead="both",
    credentials="the token of IRSA",
    ends=("which new Pods would not get any more", "which the trust policy would not admit any more"),
)
