"""What EKS's answers to a Pod's token mean: the errors of AWS's page, in AWS's own words where they are known.

https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
"""

import botocore.session
import pytest

from irsa_cli.live.sts import Refused
from irsa_cli.prove.answers import explained
from irsa_cli.prove.eks_auth_answers import CAUSES
from irsa_cli.report.checks import Outcome

NAMES = {
    "associate": "pulumi up --refresh --stack dev",
    "cluster": "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster",
    "explain": "irsa explain web/app arn:aws:iam::111122223333:role/app",
    "issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "repair": "pulumi up --refresh --stack dev",
    "role": "arn:aws:iam::111122223333:role/app",
    "subject": "web/app",
}
UP = "pulumi up --refresh --stack dev"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
CALLER = (
    "User: arn:aws:iam::111122223333:user/me is not authorized to perform: eks-auth:AssumeRoleForPodIdentity "
    "on resource: arn:aws:eks:us-west-2:111122223333:cluster/my-cluster because no identity-based policy allows it"
)
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html, in the agent's log
TRUST = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
# https://github.com/aws/containers-roadmap/issues/2413
PACKED = "Packed size of session tags consumes 112% of allotted space."


@pytest.mark.parametrize(
    ("code", "words", "outcome", "meaning", "fix"),
    [
        ("AccessDeniedException", CALLER, Outcome.NO_PERMISSION, "these AWS credentials may not ask", ""),
        ("AccessDeniedException", TRUST, Outcome.FINDING, "its trust policy does not admit web/app", UP),
        ("ResourceNotFoundException", "No association", Outcome.FINDING, "has no association for web/app", UP),
        ("ExpiredTokenException", "expired", Outcome.FINDING, "clocks of the cluster and AWS differ", ""),
        ("InvalidTokenException", "invalid", Outcome.FINDING, "does not accept this token", ""),
        ("InvalidParameterException", "invalid", Outcome.FINDING, "the name of a cluster", ""),
        ("InvalidRequestException", "semantic error", Outcome.FINDING, "does not give the Pods", ""),
        ("PackedPolicyTooLarge", "", Outcome.FINDING, "sessionTags: false", ""),
        ("InvalidRequestException", PACKED, Outcome.FINDING, "sessionTags: false", ""),
        ("ThrottlingException", "Rate exceeded", Outcome.NO_ANSWER, "try again", ""),
        ("InternalServerException", "", Outcome.NO_ANSWER, "try again", ""),
        ("ServiceUnavailableException", "", Outcome.NO_ANSWER, "try again", ""),
        ("SomethingNew", "new", Outcome.NO_ANSWER, "irsa does not know this answer of EKS", ""),
    ],
)
def test_each_answer_has_its_cause_and_fix(code: str, words: str, outcome: Outcome, meaning: str, fix: str) -> None:
    """Protects readers: AWS's own words, what they mean, and a command only where it fixes the cause."""
    cause = explained(CAUSES, Refused(code, words), NAMES)

    assert (cause.outcome, cause.fix) == (outcome, fix)
    assert meaning in cause.meaning
    assert cause.meaning.startswith(f"{code} (")


def test_every_error_of_the_service_has_a_row() -> None:
    """Protects from an error that AWS documents and `irsa prove` does not explain."""
    operation = botocore.session.get_session().get_service_model("eks-auth").operation_model("AssumeRoleForPodIdentity")
    documented = {shape.name for shape in operation.error_shapes}

    assert documented <= {cause.code for cause in CAUSES}


def test_every_row_can_be_reached_and_named() -> None:
    """Protects the table: no row is hidden by an earlier one, and none names what is not known."""
    for cause in CAUSES:
        answer = explained(CAUSES, Refused(cause.code or "SomethingNew", cause.words), NAMES)
        assert "{" not in answer.meaning + answer.fix
        assert cause.meaning.format_map(NAMES) in answer.meaning
