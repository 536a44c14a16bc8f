"""What the trust policy of a role for service accounts has, by IRSA and by EKS Pod Identity."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from irsa.rules.arns import issuer_of_provider
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake, named

ACTION = "sts:AssumeRoleWithWebIdentity"
DEFAULT_AUDIENCE = "sts.amazonaws.com"
Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]
POD_IDENTITY_PRINCIPAL = "pods.eks.amazonaws.com"
ASSUME_ROLE, TAG_SESSION = "sts:AssumeRole", "sts:TagSession"
REQUEST_TAG = "aws:RequestTag/"
CLUSTER_TAG, NAMESPACE_TAG, SERVICE_ACCOUNT_TAG = (
    f"{REQUEST_TAG}{tag}" for tag in ("eks-cluster-arn", "kubernetes-namespace", "kubernetes-service-account")
)
SOURCE_ACCOUNT, SOURCE_ARN = "aws:SourceAccount", "aws:SourceArn"
# All that EKS sets: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
SESSION_TAGS = (
    *("eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "kubernetes-service-account"),
    *("kubernetes-pod-name", "kubernetes-pod-uid"),
)


def assume_role_actions(session_tags: bool) -> tuple[str, ...]:
    """Return the actions that a trust policy must allow for a session: its tags need one of their own.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
    """
    return (ASSUME_ROLE, TAG_SESSION) if session_tags else (ASSUME_ROLE,)


def check_conditions(conditions: Conditions) -> None:
    """Refuse further conditions on the token's `aud` and `sub`, which irsa writes itself.

    Raises:
        Mistake: There is such a condition. irsa would replace it, and the trust would be wider than it looks.
    """
    for operator, keys in conditions.items():
        for key in keys:
            if key.lower().endswith((":aud", ":sub")):
                found = f"the condition {named(operator)} on {key!r}, which irsa writes itself"
                allowed, arguments = "conditions on keys other than aud and sub", (("audience",), ("trust", "subjects"))
                raise Mistake(found, allowed, "remove it, and set {} or {}", *arguments)


def known_conditions(conditions: Any) -> Conditions:
    """Return the conditions whose operators are there with their keys, of whatever shape they are."""
    known = conditions.items() if isinstance(conditions, Mapping) else ()
    return {operator: keys for operator, keys in known if isinstance(keys, Mapping)}


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-network-properties
NETWORK_KEYS = frozenset(
    {
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpcarn",
        "aws:sourcevpce",
        "aws:vpceaccount",
        "aws:vpceorgid",
        "aws:vpceorgpaths",
        "aws:vpcsourceip",
    }
)


def federated_providers(document: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """Return the ARNs of the OIDC providers that a trust policy trusts.

    Each has, for every such statement, the audiences in its StringEquals condition; a token must have one of them.
    """
    found: dict[str, list[list[str]]] = {}
    for statement in map(mapping_of, items_of(document.get("Statement", []))):
        principal = mapping_of(statement.get("Principal")) if statement.get("Effect") == "Allow" else {}
        for arn in items_of(principal.get("Federated", [])):
            if isinstance(arn, str) and ":oidc-provider/" in arn:
                key = f"{issuer_of_provider(arn)}:aud"
                conditions = mapping_of(mapping_of(statement.get("Condition")).get("StringEquals"))
                values = [items_of(conditions[name]) for name in conditions if name.lower() == key.lower()]
                found.setdefault(arn, []).append([each for several in values for each in several])
    return found


def minified(document: object) -> str:
    """Return JSON without white space and with sorted keys: an unchanged document has an unchanged text."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
