"""What `irsa explain --json` prints."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from irsa.evaluation import Decision, PodIdentityRequest, StatementEvaluation, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa.rules.subjects import CLAIM_PREFIX
from irsa_world.verdict import AskedRole, Verdict, of_trust_policy, verdict


@dataclass(frozen=True)
class Explanation:
    """Whether a service account could assume a role, and why.

    Attributes:
        service_account: The service account, as NAMESPACE/NAME.
        role: ARN of the role; empty where none was named, and the annotation names none.
        decision: Whether the service account could assume the role.
        explanation: Why, in one sentence.
        documentation: Page of AWS that states the rule.
        request: The token, and the IAM OIDC provider of its issuer; or the association's service account and cluster;
            null where there is no role to ask for.
        statements: Each statement of the trust policy.
        pod_identity: Whether EKS Pod Identity could assume the role for the service account, if an association gave it
            that one, with session tags or else without; empty where no statement is for `pods.eks.amazonaws.com`.
        missing: Where the cluster has no such service account: that it has none, and a name that is near; else empty.
        by_default: What was taken by default, because the service account does not exist; else empty.
        binding: Key of the stack's binding that was named in place of the role; else empty.
        annotation: Why Pods of the service account get no session of this role: an annotation is missing, is empty or
            names another role. Empty where they ask for it, and where the service account was not read.
        expected: What the annotation should be; else empty.
        fix: The command to run about the annotation; else empty.
        association: What an association of EKS Pod Identity gives the service account, or why that is not known; empty
            where it has none, and where no cluster was read.
        web_identity: Where an association gives the role: what the role of the annotation answers to a token, which
            Pods have that were created before it; empty where there is no annotation.
        guard: Which stack's guard refuses, or warns of, new Pods without their identity; or why that is unknown. Empty
            where none does, and where no cluster was read.
    """

    service_account: str
    role: str
    decision: Decision
    explanation: str
    documentation: str
    request: WebIdentityRequest | PodIdentityRequest | None = None
    statements: tuple[StatementEvaluation, ...] = ()
    pod_identity: str = ""
    missing: str = ""
    by_default: str = ""
    binding: str = ""
    annotation: str = ""
    expected: str = ""
    fix: str = ""
    association: str = ""
    web_identity: str = ""
    guard: str = ""


def explained(
    role_arn: str,
    trust: str | Mapping[str, Any],
    request: WebIdentityRequest,
    first: Verdict | None = None,
    cluster_arn: str = "",
) -> Explanation:
    """Return the answer of a trust policy, unless STS has something against the token before it reads that: `first`.

    The ARN of the cluster is empty where it is not known, or where the cluster is not of EKS.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    parsed = parse(trust)
    evaluation = evaluate_parsed(*parsed, request)
    found = first or of_trust_policy(evaluation, request)
    namespace, _, name = request.subject.removeprefix(CLAIM_PREFIX).partition(":")
    association = PodIdentityRequest(namespace, name, cluster_arn)
    by_association = ""
    if any(association.principal in each.principals for each in parsed[1]):
        other, how = verdict(AskedRole(parsed, {}), association), "with an association"
        if other.decision is Decision.DENIED:
            # Whoever makes the association may disable its tags, with which a trust policy may refuse it.
            without = verdict(AskedRole(parsed, {}), replace(association, session_tags=False))
            if without.decision is not Decision.DENIED:
                other, how = without, f"{how} that has its session tags disabled"
        by_association = f"{how}, {other.decision}: {other.details}"
    return Explanation(
        association.subject,
        role_arn,
        found.decision,
        found.found,
        found.documentation,
        request,
        evaluation.statements,
        by_association,
    )


def explained_association(role_arn: str, trust: str | Mapping[str, Any], request: PodIdentityRequest) -> Explanation:
    """Return the answer of a trust policy to EKS Pod Identity, for an association.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    evaluation = evaluate_parsed(*parse(trust), request)
    found = of_trust_policy(evaluation, request)
    return Explanation(
        request.subject, role_arn, found.decision, found.found, found.documentation, request, evaluation.statements
    )
