"""Whether a service account could assume a role: the answer of the trust policy, and of the OIDC provider before it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from irsa.evaluation import Decision, Evaluation, StatementEvaluation, WebIdentityRequest, evaluate
from irsa.rules.annotations import NO_ROLE, ROLE_ARN
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import listed, named

PROVIDERS_PAGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html"


@dataclass(frozen=True)
class Explanation:
    """Whether a service account could assume a role, and why.

    Attributes:
        service_account: The service account, as NAMESPACE/NAME.
        role: ARN of the role.
        decision: Whether the service account could assume the role.
        explanation: Why, in one sentence.
        documentation: Page of AWS that states the rule.
        request: The token, and the IAM OIDC provider of its issuer.
        statements: Each statement of the trust policy.
        missing: Where the cluster has no such service account: that it has none, and a name that is near; else empty.
        assumed: What was assumed, because the service account does not exist; else empty.
        binding: Key of the stack's binding that was named in place of the role; else empty.
        annotation: Why Pods of the service account do not ask for this role: its annotation is missing or names
            another one. Empty where it names this role, and where the service account was not read.
        fix: The command to run about the annotation; else empty.
    """

    service_account: str
    role: str
    decision: Decision
    explanation: str
    documentation: str
    request: WebIdentityRequest
    statements: tuple[StatementEvaluation, ...] = ()
    missing: str = ""
    assumed: str = ""
    binding: str = ""
    annotation: str = ""
    fix: str = ""


def by_trust_policy(
    service_account: str, role_arn: str, trust: str | Mapping[str, Any], request: WebIdentityRequest
) -> Explanation:
    """Return the answer of a trust policy.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    found: Evaluation = evaluate(trust, request)
    return Explanation(
        service_account, role_arn, found.decision, found.explanation, found.documentation, request, found.statements
    )


def after_provider(answer: Explanation, client_ids: Collection[str] | None) -> Explanation:
    """Return the answer of the OIDC provider, which STS checks before the trust policy.

    Args:
        answer: The answer of the trust policy.
        client_ids: The audiences that the provider lists; None where there is no provider.
    """
    request = answer.request
    if client_ids is None:
        aws_account = parse_iam_arn(request.provider_arn, "oidc-provider").account_id
        found = f"AWS account {aws_account} has no IAM OIDC provider for this issuer."
    elif request.audience not in client_ids:
        others = f"only {listed(client_ids)}" if client_ids else "nor any other"
        found = f"The IAM OIDC provider does not list the audience {named(request.audience)}, {others}."
    else:
        return answer
    return replace(answer, decision=Decision.DENIED, explanation=found, documentation=PROVIDERS_PAGE)


def wrong_annotation(service_account: str, role_arn: str, annotations: Mapping[str, str]) -> str:
    """Return why Pods of a service account do not ask for a role, by its annotations; empty where they do.

    The webhook gives a Pod the role of the annotation alone, and without one nothing:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html
    """
    annotated = annotations.get(ROLE_ARN)
    if not annotated:
        return f"{named(service_account)} has {NO_ROLE}"
    if annotated != role_arn:
        return f"{named(service_account)} has the {ROLE_ARN} {named(annotated)}, so its Pods ask for that role"
    return ""
