"""The trust policy of a role for service accounts, by IRSA and by EKS Pod Identity.

It is the document of https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html, with these
rules: one statement per OIDC provider; `aud` is always compared with StringEquals; `sub` is always there, and compared
with StringLike only where a subject has a wildcard; the same input makes the same text.

EKS Pod Identity has one statement per service account, narrowed by the session tags of
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html: lists under two keys would admit every combination.
Without session tags those keys are absent, and only the cluster can be named:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.rules.arns import issuer_of_provider, parse_cluster_arn
from irsa.rules.grammar import VERSION
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, Place, listed, named, shortened
from irsa.rules.subjects import is_pattern, subject_claim

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
# EKS is a service: it has neither tags nor the provider of a token, and gives an external ID to a target role only.
_NEVER_KEYS = re.compile("aws:principaltag/.*|aws:federatedprovider|sts:externalid", re.DOTALL)
# The conditions that irsa writes into the statements for Pod Identity.
_WRITTEN_KEYS = {key.lower() for key in (CLUSTER_TAG, NAMESPACE_TAG, SERVICE_ACCOUNT_TAG, SOURCE_ACCOUNT, SOURCE_ARN)}


def assume_role_actions(session_tags: bool) -> tuple[str, ...]:
    """Return the actions that a trust policy must allow for a session: its tags need one of their own.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
    """
    return (ASSUME_ROLE, TAG_SESSION) if session_tags else (ASSUME_ROLE,)


class PodIdentityTrust(NamedTuple):
    """The trust in EKS Pod Identity."""

    cluster_arns: Sequence[str]
    session_tags: bool = True


def trust_document(  # noqa: PLR0917 (the parts of the document)
    provider_arns: Sequence[str],
    subjects: Sequence[str],
    audience: str = DEFAULT_AUDIENCE,
    conditions: Conditions | None = None,
    statements: Sequence[Mapping[str, Any]] = (),
    pod_identity: PodIdentityTrust | None = None,
) -> str:
    """Return the trust policy as minified JSON.

    Args:
        provider_arns: ARNs of the IAM OIDC providers, one per cluster, all in the role's AWS account.
        subjects: `namespace:name` patterns, at least one. Those with wildcards are of IRSA only.
        audience: The audience of the tokens.
        conditions: Further conditions of each statement, operator -> key -> value or values, as IAM writes them.
        statements: Whole statements to add, as IAM writes them.
        pod_identity: The clusters whose Pod Identity is trusted; None for none.

    Raises:
        ValueError: No subject or no provider: the role would trust nobody or, without `sub`, everybody.
        Mistake: A provider ARN is not one.
    """
    if not subjects or not (provider_arns or pod_identity):
        raise ValueError("a trust policy needs at least one subject, and an OIDC provider or Pod Identity")
    trusting = [_statement(arn, subjects, audience, conditions or {}) for arn in sorted(set(provider_arns))]
    if pod_identity is not None:
        trusting += _pod_identity_statements(pod_identity, subjects, conditions or {})
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
                allowed, arguments = "conditions on keys other than aud and sub", (("audience",), ("trust", "subjects"))
                raise Mistake(found, allowed, "remove it, and set {} or {}", *arguments)


def _statement(provider_arn: str, subjects: Sequence[str], audience: str, conditions: Conditions) -> dict[str, Any]:
    issuer = issuer_of_provider(provider_arn)
    claims = [subject_claim(subject) for subject in sorted(set(subjects))]
    operator = "StringLike" if any(is_pattern(subject) for subject in subjects) else "StringEquals"
    condition: dict[str, dict[str, Any]] = {name: dict(keys) for name, keys in conditions.items()}
    condition.setdefault("StringEquals", {})[f"{issuer}:aud"] = audience
    condition.setdefault(operator, {})[f"{issuer}:sub"] = claims[0] if len(claims) == 1 else claims
    return {"Effect": "Allow", "Principal": {"Federated": provider_arn}, "Action": ACTION, "Condition": condition}


def _pod_identity_statements(
    trust: PodIdentityTrust, subjects: Sequence[str], conditions: Conditions
) -> Iterator[dict[str, Any]]:
    clusters = sorted(set(trust.cluster_arns))
    exact = [subject.split(":") for subject in sorted(set(subjects)) if not is_pattern(subject)]
    if not trust.session_tags:
        accounts = sorted({parse_cluster_arn(arn).account_id for arn in clusters})
        yield _of_pod_identity(
            conditions, StringEquals={SOURCE_ACCOUNT: _one_or(accounts)}, ArnEquals={SOURCE_ARN: _one_or(clusters)}
        )
        return
    for namespace, name in exact:
        tags = {CLUSTER_TAG: _one_or(clusters), NAMESPACE_TAG: namespace, SERVICE_ACCOUNT_TAG: name}
        yield _of_pod_identity(conditions, StringEquals=tags)


def _of_pod_identity(conditions: Conditions, **written: Mapping[str, Any]) -> dict[str, Any]:
    condition = {name: {**conditions.get(name, {}), **written.get(name, {})} for name in {*conditions, *written}}
    principal, actions = {"Service": POD_IDENTITY_PRINCIPAL}, [ASSUME_ROLE, TAG_SESSION]
    return {"Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition}


def _one_or(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else [*values]


def known_conditions(conditions: Any) -> Conditions:
    """Return the conditions whose operators are there with their keys, of whatever shape they are."""
    known = conditions.items() if isinstance(conditions, Mapping) else ()
    return {operator: keys for operator, keys in known if isinstance(keys, Mapping)}


def check_pod_identity_conditions(conditions: Conditions, session_tags: bool, irsa: bool) -> None:
    """Refuse further conditions that a statement for Pod Identity, or one for IRSA beside it, could never meet.

    Raises:
        Mistake: There is such a condition, or one that irsa writes itself.
    """
    for operator, keys in conditions.items():
        for key in keys:
            found = f"the condition {named(operator)} on {key!r}"
            lower = key.lower()
            of_tags = lower.startswith(REQUEST_TAG.lower()) or lower == "aws:tagkeys"
            if lower in _WRITTEN_KEYS:
                raise Mistake(f"{found}, which irsa writes itself", "conditions on other keys", "remove it")
            if of_tags and not session_tags:
                text = f"{found}, which no request has while session tags are off"
                raise Mistake(
                    text, "conditions on other keys", "remove it, or set {} to true", ("pod_identity", "session_tags")
                )
            if of_tags and irsa:
                text = f"{found}, which no request of IRSA has"
                raise Mistake(text, "conditions that both ways can meet", "write a statement in {}", _STATEMENTS)
            if lower.startswith(REQUEST_TAG.lower()) and lower.partition("/")[2] not in SESSION_TAGS:
                text = f"{found}, which is none of the session tags of EKS Pod Identity"
                raise Mistake(text, listed(SESSION_TAGS), "name one of them, or remove it")
            text = ""
            if _NEVER_KEYS.fullmatch(lower):
                text = f"{found}, which no request of EKS Pod Identity has"
            elif not lower.startswith(("aws:", "sts:")):
                text = f"{found}, a claim of a token, which no request of Pod Identity has"
            if text:
                allowed, fix = (
                    "conditions that Pod Identity can meet",
                    "remove it, and write a statement for IRSA in {}",
                )
                raise Mistake(text, allowed, fix, _STATEMENTS) if irsa else Mistake(text, allowed, "remove it")


_STATEMENTS = ("trust", "statements")


def pod_identity_warnings(
    session_tags: bool, conditions: Conditions, subjects: Sequence[str], *, creates_role: bool, unlimited_irsa: bool
) -> Iterator[tuple[Place, Mistake]]:
    """Yield what is legal with EKS Pod Identity, but likely not intended, each with its argument.

    Args:
        session_tags: Whether sessions have the tags that say of which service account they are.
        conditions: Further conditions of each statement.
        subjects: The subjects besides the service account.
        creates_role: Whether the trust policy is irsa's; that of an existing role stays as it is.
        unlimited_irsa: Whether there is a session policy, and IRSA beside it.
    """
    if unlimited_irsa:
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
        found = "a session policy beside IRSA, whose sessions it does not limit: they have all permissions of the role"
        fix = "narrow the policies of the role; or, for the time of a migration, silence the rule with a reason"
        yield ("pod_identity", "policy"), Mistake(found, "a session policy where EKS Pod Identity is the only way", fix)
    if not creates_role:
        return
    if not session_tags:
        found = "without session tags the trust policy names the cluster only: any association in it may have this role"
        fix = "leave session tags on, where no session policy needs this; or silence the rule with a reason"
        place = ("pod_identity", "session_tags")
        yield place, Mistake(f"{found} ({_ROLE_PAGE})", "a trust policy that names the service account", fix)
    for operator, keys in conditions.items():
        for key in keys:
            if key.lower() in NETWORK_KEYS:
                found = f"the condition {named(operator)} on {named(key)} is about the network of EKS, which assumes"
                found = f"{found} the role, and not about that of the Pods ({_ROLE_PAGE})"
                allowed = "conditions that EKS Pod Identity can meet"
                fix = "write it in a policy of the role, whose requests the Pods send, or in a statement for IRSA"
                yield ("trust", "conditions"), Mistake(found, allowed, fix)
    if patterns := [each for each in subjects if is_pattern(each)]:
        found = f"{shortened(', '.join(patterns))} may assume the role by IRSA only; EKS Pod Identity has no wildcards"
        fix = "name each service account that is to have an association, or silence the rule with a reason"
        yield ("trust", "subjects"), Mistake(found, "subjects without wildcards", fix)


# "EKS Pod Identity uses AssumeRole to assume the IAM role before passing the temporary credentials to your pods":
_ROLE_PAGE = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"
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
