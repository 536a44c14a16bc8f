"""What `irsa explain --json` prints."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from irsa.evaluation import Decision, PodIdentityRequest, StatementEvaluation, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.rules.subjects import CLAIM_PREFIX
from irsa_world.verdict import AskedRole, Verdict, of_trust_policy, verdict

Request = WebIdentityRequest | PodIdentityRequest


@dataclass(frozen=True)
class Note:
    """What decides beside the request.

    Attributes:
        about: `association`: what one of EKS Pod Identity gives the service account, or why that is not known; `pod
            identity`: what one would get from this trust policy; `token`: which role older Pods ask for; `guard`: which
            stack refuses new Pods; `by default`: what was taken because the service account does not exist.
        text: What there is to say.
    """

    about: str
    text: str


@dataclass(frozen=True)
class Explanation:
    """Whether a service account could assume a role, and why.

    Attributes:
        service_account: The service account, as NAMESPACE/NAME.
        role: ARN of the role; empty where none was named, and the annotation names none.
        decision: Whether the service account could assume the role.
        explanation: Why, in one sentence.
        request: The token, and the IAM OIDC provider of its issuer; or the association's service account and cluster;
            null where there is no role to ask for.
        statements: Each statement of the trust policy.
        missing: Where the cluster has no such service account: that it has none, and a name that is near; else empty.
        binding: Key of the stack's binding that was named in place of the role; else empty.
        annotation: Why Pods of the service account get no session of this role: an annotation is missing, is empty or
            names another role. Empty where they ask for it, and where the service account was not read.
        expected: What the annotation should be; else empty.
        fix: The command to run about the annotation; else empty.
        notes: What decides beside the request.
    """

    service_account: str
    role: str
    decision: Decision
    explanation: str
    request: Request | None = None
    statements: tuple[StatementEvaluation, ...] = ()
    missing: str = ""
    binding: str = ""
    annotation: str = ""
    expected: str = ""
    fix: str = ""
    notes: tuple[Note, ...] = ()


def explained(
    role_arn: str, trust: str | Mapping[str, Any], request: Request, first: Verdict | None = None, cluster_arn: str = ""
) -> Explanation:
    """Return the answer of a trust policy, unless STS has something against the token before it reads that: `first`.

    The ARN of the cluster is empty where it is not known, or where the cluster is not of EKS.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    parsed = parse(trust)
    evaluation = evaluate_parsed(*parsed, request)
    found = first or of_trust_policy(evaluation, request)
    place, notes = request.subject, list[Note]()
    if isinstance(request, WebIdentityRequest):
        namespace, _, name = request.subject.removeprefix(CLAIM_PREFIX).partition(":")
        place, notes = f"{namespace}/{name}", _of_association(parsed, PodIdentityRequest(namespace, name, cluster_arn))
    return Explanation(place, role_arn, found.decision, found.found, request, evaluation.statements, notes=(*notes,))


def _of_association(trust: Parsed, association: PodIdentityRequest) -> list[Note]:
    """Return what a trust policy that names EKS Pod Identity would say to an association."""
    if not any(association.principal in each.principals for each in trust[1]):
        return []
    answer, how = verdict(AskedRole(trust, {}), association), "with an association"
    if answer.decision is Decision.DENIED:
        # Whoever makes the association may disable its tags, with which a trust policy may refuse it.
        without = verdict(AskedRole(trust, {}), replace(association, session_tags=False))
        if without.decision is not Decision.DENIED:
            answer, how = without, f"{how} that has its session tags disabled"
    return [Note("pod identity", f"{how}, {answer.decision}: {answer.details}")]
