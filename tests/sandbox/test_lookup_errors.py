"""What a preview says where AWS or a cluster cannot be reached: our own lines, never a traceback."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.conftest import Cloud
from tests.sandbox.failing_api import Failures, failing_aws
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

BINDINGS = {"app": {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
# Nothing is looked up of this cluster: the first question to AWS would be its provider's creation.
KNOWN = {"x": {"oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/A", "createOidcProvider": True}}
NOTHING_TO_LOOK_UP: dict[str, Any] = {"clusters": KNOWN, "bindings": {"app": {"trust": {"subjects": ["a:b"]}}}}
ME = "User: arn:aws:iam::111122223333:user/me is not authorized to perform:"
WORDS = ("found:", "allowed:", "do:")


@pytest.fixture(scope="module")
def project(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A stack that no test here deploys."""
    return Project(cloud, tmp_path_factory.mktemp("lookups") / "project", {})


def given(project: Project, values: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> None:
    """Replace the settings; None takes one out of the common ones."""
    project.set(values or {"bindings": BINDINGS})
    file = project.folder / f"Pulumi.{STACK}.yaml"
    read = yaml.safe_load(file.read_text())
    changed = {**read["config"], **(config or {})}
    read["config"] = {key: value for key, value in changed.items() if value is not None}
    file.write_text(yaml.safe_dump(read, sort_keys=False))


def refused(project: Project, *words: str, verb: str = "preview", **variables: str) -> str:
    """Run pulumi, which must fail with one message in our form that has these words."""
    project.variables |= variables
    said = project.refused(verb, *(["--yes", "--skip-preview"] if verb == "up" else []))
    project.variables = {name: value for name, value in project.variables.items() if name not in variables}
    message = said.partition("Diagnostics:")[2]

    assert message.count("error: ") == 1, said
    assert "1 look-up failed" in message, said
    assert [message.count(f"    {word}") for word in WORDS] == [1, 1, 1], said
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_credentials_of_another_account(project: Project, verb: str) -> None:
    """Protects another AWS account: both are named, before anything is asked or created in it."""
    given(project, config={"aws:allowedAccountIds": ["999999999999"]})

    refused(project, "are of AWS account 111122223333", "AWS account 999999999999 (aws:allowedAccountIds)", verb=verb)


def test_credentials_of_another_account_at_the_first_resource(project: Project) -> None:
    """Protects another AWS account where nothing is looked up in it."""
    given(
        project, NOTHING_TO_LOOK_UP, config={"aws:forbiddenAccountIds": ["111122223333"], "aws:allowedAccountIds": None}
    )

    refused(project, "are of AWS account 111122223333", "aws:forbiddenAccountIds", verb="up")


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_no_credentials(project: Project, verb: str) -> None:
    """Protects the first run on a new machine: what is missing, for which region, and how to check it."""
    given(project)
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")

    refused(project, "no AWS credentials", "region us-west-2", "aws sts get-caller-identity", verb=verb, **none)


def test_no_credentials_at_the_first_resource(project: Project) -> None:
    """Protects the first run where nothing is looked up: the first resource would have failed."""
    given(project, NOTHING_TO_LOOK_UP)
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")

    refused(project, "no AWS credentials", "region us-west-2", **none)


def test_a_profile_that_does_not_exist(project: Project) -> None:
    """Protects from a typing mistake in AWS_PROFILE or aws:profile."""
    given(project)

    refused(project, "the AWS profile nope does not exist", "aws configure list-profiles", AWS_PROFILE="nope")


def test_no_region(project: Project) -> None:
    """Protects the first run of a new stack."""
    given(project, config={"aws:region": None})
    none = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "")

    refused(project, "no AWS region is set", "pulumi config set aws:region us-west-2", **none)


def test_a_region_without_the_cluster(project: Project) -> None:
    """Protects from a search in the wrong region: it is named, and so is the AWS account."""
    given(project, config={"aws:region": "eu-central-1"})

    refused(
        project,
        "there is no EKS cluster 'my-cluster' in AWS account 111122223333, region eu-central-1",
        "aws eks list-clusters --region eu-central-1",
        "Pulumi.test.yaml:",
        "irsa:cluster.name",
    )


EXPIRED = (403, "ExpiredToken", "The security token included in the request is expired")
INVALID = (403, "InvalidClientTokenId", "The security token included in the request is invalid")
THROTTLED = (400, "ThrottlingException", "Rate exceeded")
NO_PERMISSION = (
    403,
    "AccessDeniedException",
    f"{ME} eks:DescribeCluster on resource: arn:aws:eks:us-west-2:1:cluster/c",
)
NO_PROVIDER = (403, "AccessDenied", f"{ME} iam:GetOpenIDConnectProvider on resource: arn:aws:iam::1:oidc-provider/x")
NO_IDENTITY = (403, "AccessDenied", f"{ME} sts:AssumeRole on resource: arn:aws:iam::444455556666:role/deployer")


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ({"GetCallerIdentity": EXPIRED}, ["credentials", "have expired", "region us-west-2", "get-caller-identity"]),
        ({"GetCallerIdentity": INVALID}, ["AWS does not accept the credentials", "region us-west-2"]),
        (
            {"/clusters/my-cluster": NO_PERMISSION},
            ["AWS denies eks:DescribeCluster", "arn:aws:iam::111122223333:user/me", "irsa:cluster.name", "us-west-2"],
        ),
        ({"GetOpenIDConnectProvider": NO_PROVIDER}, ["AWS denies iam:GetOpenIDConnectProvider", "docs/permissions"]),
        ({"/clusters/my-cluster": THROTTLED}, ["AWS throttles the requests", "region us-west-2", "run again"]),
    ],
    ids=["expired", "invalid", "denied EKS", "denied IAM", "throttled"],
)
def test_what_aws_refuses(project: Project, cloud: Cloud, failures: Failures, words: list[str]) -> None:
    """Protects from raw texts of AWS: the cause, who was asked, and what to do."""
    given(project, config={"aws:maxRetries": 0})
    with failing_aws(failures, cloud.aws_address) as address:
        refused(project, *words, AWS_ENDPOINT_URL=address)


def test_a_role_that_cannot_be_assumed(project: Project, cloud: Cloud) -> None:
    """Protects several AWS accounts: the setting of the role is named, with the command that shows why."""
    accounts = {"data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}}
    bindings = {"data": {"account": "data", "trust": {"subjects": ["a:b"]}}}
    given(project, {"accounts": accounts, "bindings": bindings})
    with failing_aws({"AssumeRole": NO_IDENTITY}, cloud.aws_address) as address:
        refused(
            project,
            "the role arn:aws:iam::444455556666:role/deployer cannot be assumed",
            "irsa:accounts.data.assumeRoleArn",
            "aws sts assume-role --role-arn arn:aws:iam::444455556666:role/deployer",
            AWS_ENDPOINT_URL=address,
        )


class Silent(BaseHTTPRequestHandler):
    """Hangs up."""

    def do_POST(self) -> None:
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def serve(server: HTTPServer) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


@pytest.fixture
def silent() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Silent)
    serve(server)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def untrusted(cloud: Cloud) -> Iterator[str]:
    """An https server with a certificate that nobody knows: that of the sandbox's Kubernetes API."""
    certificate = cloud.sandbox.folder / "kubernetes" / "certificates" / "apiserver.crt"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server = HTTPServer(("127.0.0.1", 0), Silent)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serve(server)
    yield f"https://localhost:{server.server_port}"
    server.shutdown()


def test_no_answer(project: Project, silent: str) -> None:
    """Protects from minutes of silence: no connection is said within seconds."""
    given(project)

    refused(project, "no connection to AWS", "region us-west-2", "HTTPS_PROXY", AWS_ENDPOINT_URL=silent)


def test_a_certificate_that_is_not_trusted(project: Project, untrusted: str) -> None:
    """Protects those behind a proxy with certificates of its own: what to set is said."""
    given(project)

    refused(project, "is not trusted", "AWS_CA_BUNDLE", AWS_ENDPOINT_URL=untrusted)


def test_a_context_that_does_not_exist(project: Project) -> None:
    """Protects from a stack that stops half-way: found by the preview, with the contexts that there are."""
    given(project, config={"kubernetes:context": "nope"})
    refused(project, "no context nope; it has: irsa-sandbox", "kubectl config get-contexts")
    access = {"context": "irsa-sandbx"}
    given(project, {"cluster": {"name": "my-cluster", "kubernetes": access}, "bindings": BINDINGS})

    refused(project, "irsa:cluster.kubernetes.context", "did you mean 'irsa-sandbox'?")


def test_a_kubeconfig_that_does_not_exist(project: Project, tmp_path: Path) -> None:
    """Protects from a stack that stops half-way: the file that was read is named."""
    given(project)
    missing = str(tmp_path / "none")
    refused(project, f"there is no kubeconfig {missing}", "aws eks update-kubeconfig", KUBECONFIG=missing)
    access = {"kubeconfig": missing}
    given(project, {"cluster": {"name": "my-cluster", "kubernetes": access}, "bindings": BINDINGS})

    refused(project, f"there is no kubeconfig {missing}", "irsa:cluster.kubernetes.kubeconfig")
