"""What the answers of STS and EKS to a token mean, in AWS's own words where they are known.

Those of STS are in the reference's table Error -> cause, those of EKS on
https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import botocore.session
import pytest

from irsa_cli.prove.answers import EKS_AUTH as EKS
from irsa_cli.prove.answers import STS, Meaning, explained
from irsa_world.live.sts import Refused
from irsa_world.report.checks import Outcome

UP = "pulumi up --refresh --stack dev"
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
NAMES = {
    "associate": UP,
    "aws_account": "111122223333",
    "add_client_id": "aws iam add-client-id-to-open-id-connect-provider --client-id sts.amazonaws.com",
    "audience": "sts.amazonaws.com",
    "cluster": "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster",
    "create_provider": f"aws iam create-open-id-connect-provider --url {ISSUER}",
    "explain": "irsa explain web/app arn:aws:iam::111122223333:role/app",
    "issuer": ISSUER,
    "provider": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "repair": UP,
    "role": "arn:aws:iam::111122223333:role/app",
    "subject": "web/app",
}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
CALLER = (
    "User: arn:aws:iam::111122223333:user/me is not authorized to perform: eks-auth:AssumeRoleForPodIdentity "
    "on resource: arn:aws:eks:us-west-2:111122223333:cluster/my-cluster because no identity-based policy allows it"
)
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html, in the agent's log
TRUST = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
# https://github.com/aws/containers-roadmap/issues/2413
PACKED = "Packed size of session tags consumes 112% of allotted space."
NO_PROVIDER = f"No OpenIDConnect provider found in your account for {ISSUER}"
THUMBPRINT = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
NO_KEY = "Couldn't retrieve verification key from your identity provider,  please reference the documentation"
OLD = "Token expired: current date/time 1731098245 must be before the expiration date/time 1731095240"


@pytest.mark.parametrize(
    ("causes", "code", "words", "outcome", "fix"),
    [
        (STS, "InvalidIdentityToken", NO_PROVIDER, Outcome.FINDING, NAMES["create_provider"]),
        (STS, "InvalidIdentityToken", "Incorrect token audience", Outcome.FINDING, NAMES["add_client_id"]),
        (STS, "InvalidIdentityToken", THUMBPRINT, Outcome.FINDING, ""),
        (STS, "InvalidIdentityToken", NO_KEY, Outcome.FINDING, ""),
        (STS, "ExpiredTokenException", OLD, Outcome.FINDING, ""),
        (STS, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", Outcome.FINDING, UP),
        (STS, "ValidationError", "Request ARN is invalid", Outcome.FINDING, UP),
        (STS, "IDPRejectedClaim", "The identity provider reported that it failed.", Outcome.FINDING, ""),
        (STS, "IDPCommunicationError", "The identity provider could not be reached", Outcome.NO_ANSWER, ""),
        (STS, "RegionDisabledException", "STS is not activated in this region", Outcome.NO_ANSWER, ""),
        (STS, "Throttling", "Rate exceeded", Outcome.NO_ANSWER, ""),
        (EKS, "AccessDeniedException", CALLER, Outcome.NO_PERMISSION, ""),
        (EKS, "AccessDeniedException", TRUST, Outcome.FINDING, UP),
        (EKS, "ResourceNotFoundException", "No association", Outcome.FINDING, UP),
        (EKS, "ExpiredTokenException", "expired", Outcome.FINDING, ""),
        (EKS, "InvalidTokenException", "invalid", Outcome.FINDING, ""),
        (EKS, "InvalidParameterException", "invalid", Outcome.FINDING, ""),
        (EKS, "InvalidRequestException", "semantic error", Outcome.FINDING, ""),
        (EKS, "ThrottlingException", "Rate exceeded", Outcome.NO_ANSWER, ""),
        (EKS, "InternalServerException", "", Outcome.NO_ANSWER, ""),
        (EKS, "SomethingNew", "new", Outcome.NO_ANSWER, ""),
    ],
)
def test_each_answer_has_its_cause_and_fix(
    causes: Sequence[Meaning], code: str, words: str, outcome: Outcome, fix: str
) -> None:
    cause = explained(causes, Refused(code, words), NAMES)

    assert (cause.outcome, cause.fix) == (outcome, fix)
    assert cause.text.startswith(f"{code} (")
    assert words in cause.text


@pytest.mark.parametrize(("code", "words"), [("PackedPolicyTooLarge", ""), ("InvalidRequestException", PACKED)])
def test_session_tags_that_take_too_much_space_can_be_turned_off(code: str, words: str) -> None:
    assert "sessionTags: false" in explained(EKS, Refused(code, words), NAMES).text


@pytest.mark.parametrize("causes", [STS, EKS], ids=["STS", "EKS"])
def test_every_row_can_be_reached_and_named(causes: Sequence[Meaning]) -> None:
    for cause in causes:
        answer = explained(causes, Refused(cause.code or "SomethingNew", cause.words), NAMES)
        assert "{" not in answer.text + answer.fix
        assert answer.outcome is cause.outcome
        assert cause.text.format_map(NAMES) in answer.text


def test_every_error_of_eks_has_a_row() -> None:
    operation = botocore.session.get_session().get_service_model("eks-auth").operation_model("AssumeRoleForPodIdentity")

    passing = ("ThrottlingException", "InternalServerException", "ServiceUnavailableException")
    codes = tuple(cause.code for cause in EKS if cause.code)
    assert [shape.name for shape in operation.error_shapes if not shape.name.startswith((*codes, *passing))] == []


def test_the_troubleshooting_page_has_each_answer() -> None:
    page = (Path(__file__).parents[4] / "docs/guides/troubleshooting.md").read_text()
    table = page.partition("## Answers of STS to a Pod")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)(?:: ([^`]*))?` \|", table, re.MULTILINE)
    known = [cause for cause in STS if cause.code]

    assert [c for c in known if not any(c.code == code and c.words in words for code, words in rows)] == []
