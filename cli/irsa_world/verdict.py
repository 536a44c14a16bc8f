"""Whether STS would give a service account a session of a role; if not, why and what to do. In one set of words. Pure.

STS looks for the token's OIDC provider in the role's AWS account, for its audience there, then at the trust policy:
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from irsa.evaluation import Decision, Evaluation, PodIdentityRequest, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed, with_values
from irsa.evaluation.document import Parsed
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, ROLE_KEY
from irsa.rules.arns import issuer_of_provider, parse_iam_arn
from irsa.rules.commands import AwsPlace
from irsa.rules.mistakes import listed, named
from irsa_world.model import AwsAccount

# What a verdict says, beside what `irsa.evaluation.decision` says; `irsa prove` says the same of STS's answers.
NO_PROVIDER = "AWS account {aws_account} has no IAM OIDC provider for {issuer}"
NOT_LISTED = "the IAM OIDC provider {provider} does not list the audience {audience}"
NO_ROLE = "there is no such role"
ROLE_ELSEWHERE = "there is no such role; one of that name is {role}"
NO_SERVICE_ACCOUNT = "there is no such service account"
NOT_ANNOTATED = f"it has no {ROLE_KEY}, so its Pods get no credentials"
ANNOTATED_WITH = f"it has the {ROLE_KEY} {{role}}, so its Pods ask for that role"
EMPTY_AUDIENCE = f"its {AUDIENCE} is empty: the token is for the API server, not for STS"


@dataclass(frozen=True)
class Verdict:
    """Whether STS would give a session.

    Attributes:
        decision: Allowed, denied or cannot tell.
        found: Why, in a sentence without its period.
        expected: What would have to be there.
        fix: The command that brings it; empty where there is none.
        details: What `found` says, with the values that decide.
    """

    decision: Decision
    found: str
    expected: str = ""
    fix: str = ""
    details: str = ""


def verdict(trust: Parsed, aws_account: AwsAccount, request: WebIdentityRequest) -> Verdict:
    """Return whether STS would give a token a session of a role of an AWS account, with this trust policy."""
    arn = request.provider_arn
    found = of_provider(aws_account.place, aws_account.client_ids.get(arn), arn, [request.audience])
    return found or of_trust_policy(evaluate_parsed(*trust, request), request)


def of_provider(
    place: AwsPlace, client_ids: Collection[str] | None, provider_arn: str, audiences: Sequence[str]
) -> Verdict | None:
    """Return the verdict of an OIDC provider; None where it has nothing against a token.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html

    Args:
        place: By which options the AWS CLI acts on its AWS account.
        client_ids: The audiences that it lists; None where it does not exist.
        provider_arn: Its ARN.
        audiences: Audiences of which it must list one; none where any will do.
    """
    issuer = f"https://{issuer_of_provider(provider_arn)}"
    if client_ids is None:
        aws_account = parse_iam_arn(provider_arn, "oidc-provider").account_id
        found = NO_PROVIDER.format(aws_account=aws_account, issuer=named(issuer))
        expected = f"an IAM OIDC provider for {named(issuer)}"
        return _denied(found, expected, commands.create_provider(place, issuer, audiences[:1]))
    if not audiences or not {*audiences}.isdisjoint(client_ids):
        return None
    wanted = " or ".join(map(named, audiences))
    others = f"only {listed(client_ids)}" if client_ids else "nor any other"
    found = f"{NOT_LISTED.format(provider=named(provider_arn), audience=wanted)}, {others}"
    fix = commands.add_client_id(place, provider_arn, audiences[0])
    return _denied(found, f"{wanted} in its client ID list", fix)


def _denied(found: str, expected: str, fix: str = "") -> Verdict:
    return Verdict(Decision.DENIED, found, expected, fix, found)


def of_trust_policy(evaluation: Evaluation, request: WebIdentityRequest | PodIdentityRequest) -> Verdict:
    """Return the verdict of a trust policy."""
    found = evaluation.explanation
    if evaluation.decision is Decision.ALLOWED:
        return Verdict(evaluation.decision, found, details=found)
    how = "by EKS Pod Identity"
    if isinstance(request, WebIdentityRequest):
        how = f"with the audience {named(request.audience)}"
    expected = f"a trust policy that admits {named(request.subject)} {how}"
    return Verdict(evaluation.decision, found, expected, "", with_values(evaluation))


def of_missing_role(role_arn: str, near: str | None) -> Verdict:
    """Return the verdict of a role that does not exist under its ARN.

    Args:
        role_arn: The ARN that is asked for.
        near: The ARN of the role that has its name in another letter case or path; None where there is none.
    """
    found = ROLE_ELSEWHERE.format(role=named(near)) if near else NO_ROLE
    return _denied(found, named(near or role_arn))


def of_annotations(annotations: Mapping[str, str], role_arn: str) -> Verdict | None:
    """Return the verdict of a service account's annotations; None where its Pods ask STS for this role.

    The webhook gives a Pod the role of the annotation alone, and without one nothing:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html
    """
    annotated = annotations.get(ROLE_KEY)
    if annotated != role_arn:
        found = ANNOTATED_WITH.format(role=named(annotated)) if annotated else NOT_ANNOTATED
        return _denied(found, f"{ROLE_KEY}: {named(role_arn)}")
    if annotations.get(AUDIENCE) == "":
        return _denied(EMPTY_AUDIENCE, "no such annotation, or an audience")
    return None
