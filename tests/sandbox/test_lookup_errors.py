"""What a preview says where AWS or a cluster cannot be reached: our own lines, never a traceback."""

import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.conftest import Cloud
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

BINDINGS = {"app": {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
# Nothing is looked up of this cluster: the first question to AWS would be its provider's creation.
KNOWN = {"x": {"oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/A", "createOidcProvider": True}}
ROLE_ONLY: dict[str, Any] = {"trust": {"subjects": ["a:b"]}}
ME = "User: arn:aws:iam::111122223333:user/me is not authorized to perform:"
WORDS = ("found:", "allowed:", "do:")


@pytest.fixture(scope="module")
def project(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(cloud, tmp_path_factory.mktemp("lookups") / "project", {})


def given(project: Project, values: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> None:
    """Replace the settings; None takes one out of the common ones."""
    project.set(values or {"bindings": BINDINGS})
    file = project.folder / f"Pulumi.{STACK}.yaml"
    read = yaml.safe_load(file.read_text())
    changed = {**read["config"], **(config or {})}
    read["config"] = {key: value for key, value in changed.items() if value is not None}
    file.write_text(yaml.safe_dump(read, sort_keys=False))


def failures_of(project: Project, verb: str = "preview", **variables: str) -> list[str]:
    """Run pulumi, which must fail with one error in our form, and return what it says of each look-up."""
    project.variables |= variables
    said = project.refused(verb, *(["--yes", "--skip-preview"] if verb == "up" else []))
    project.variables = {name: value for name, value in project.variables.items() if name not in variables}
    message = said.partition("Diagnostics:")[2]

    assert message.count("error: ") == 1, said
    heading, *failures = re.split(r"^      (?=\S)", message.partition("error: ")[2], flags=re.MULTILINE)
    assert heading.startswith(f"{len(failures)} look-up{'s' if len(failures) > 1 else ''} failed\n"), said
    for failure in failures:
        assert [failure.count(f"    {word}") for word in WORDS] == [1, 1, 1], said
    return failures


def refused(project: Project, *words: str, verb: str = "preview", **variables: str) -> None:
    """Run pulumi, which must fail with one look-up in our form that has these words."""
    (failure,) = failures_of(project, verb, **variables)
    for word in words:
        assert word in failure


def test_credentials_of_another_account(project: Project) -> None:
    given(project, config={"aws:allowedAccountIds": ["999999999999"]})

    refused(project, "are of AWS account 111122223333", "AWS account 999999999999 (aws:allowedAccountIds)")


def test_no_credentials(project: Project) -> None:
    given(project)
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")

    refused(project, "no AWS credentials", "region us-west-2", "aws sts get-caller-identity", verb="up", **none)


def test_no_region(project: Project) -> None:
    given(project, config={"aws:region": None})
    none = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "")

    refused(project, "no AWS region is set", "pulumi config set aws:region us-west-2", **none)


EXPIRED = (403, "ExpiredToken", "The security token included in the request is expired")
THROTTLED = (400, "ThrottlingException", "Rate exceeded")
NO_PERMISSION = (
    403,
    "AccessDeniedException",
    f"{ME} eks:DescribeCluster on resource: arn:aws:eks:us-west-2:1:cluster/c",
)
NO_PROVIDER = (403, "AccessDenied", f"{ME} iam:GetOpenIDConnectProvider on resource: arn:aws:iam::1:oidc-provider/x")
NO_IDENTITY = (403, "AccessDenied", f"{ME} sts:AssumeRole on resource: arn:aws:iam::444455556666:role/deployer")


def test_expired_credentials(project: Project, cloud: Cloud) -> None:
    given(project, config={"aws:maxRetries": 1})
    with failing_aws({"GetCallerIdentity": EXPIRED}, cloud.aws_address) as address:
        words = ("credentials", "have expired", "region us-west-2", "get-caller-identity")
        refused(project, *words, AWS_ENDPOINT_URL=address)


def unasked(number: int, **kubernetes: str) -> dict[str, Any]:
    """A cluster of which nothing is looked up but its kubeconfig."""
    return {**KNOWN["x"], "oidcIssuer": f"{KNOWN['x']['oidcIssuer']}{number}", "kubernetes": kubernetes}


def test_what_is_said_of_each_look_up(project: Project, cloud: Cloud, tmp_path: Path) -> None:
    missing, role = str(tmp_path / "none"), "arn:aws:iam::444455556666:role/deployer"
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
        # The cluster is searched in the wrong region: it is named, and so is the AWS account.
        "elsewhere": (
            {"name": "my-cluster", "region": "eu-central-1"},
            ROLE_ONLY,
            [
                "there is no EKS cluster 'my-cluster' in AWS account 111122223333, region eu-central-1",
                "aws eks list-clusters --region eu-central-1",
                "irsa:clusters.elsewhere.name",
            ],
        ),
        "denied": (
            {"name": "denied"},
            ROLE_ONLY,
            [
                "AWS denies eks:DescribeCluster",
                "arn:aws:iam::111122223333:user/me",
                "irsa:clusters.denied.name",
                "us-west-2",
            ],
        ),
        "throttled": (
            {"name": "throttled"},
            ROLE_ONLY,
            ["AWS throttles the requests", "region us-west-2", "run again", "aws:maxRetries 5"],
        ),
        # Of the stack's own context, which has no key of the cluster.
        "provider": (
            {"name": "my-cluster"},
            {"serviceAccount": {"name": "app"}},
            ["AWS denies iam:GetOpenIDConnectProvider", "docs/permissions", "irsa:clusters.provider"],
        ),
        "context": (
            unasked(1, context="irsa-sandbx"),
            {"serviceAccount": {"name": "app"}},
            ["irsa:clusters.context.kubernetes.context", "did you mean 'irsa-sandbox'?"],
        ),
        "kubeconfig": (
            unasked(2, kubeconfig=missing),
            {"serviceAccount": {"name": "app"}},
            [f"there is no kubeconfig {missing}", "irsa:clusters.kubeconfig.kubernetes.kubeconfig"],
        ),
    }
    role_of_data = [
        f"the role {role} cannot be assumed",
        "irsa:accounts.data.assumeRoleArn",
        f"aws sts assume-role --role-arn {role}",
    ]
    own_context = ["Pulumi.test.yaml:5  kubernetes:context", "no context nope; it has: irsa-sandbox", "get-contexts"]
    expected = [*(words for _, _, words in cases.values()), role_of_data, own_context]
    settings = {
        "clusters": {**{key: cluster for key, (cluster, _, _) in cases.items()}, **KNOWN},
        "accounts": {"data": {"assumeRoleArn": role}},
        "bindings": {
            **{key: {**binding, "clusters": [key]} for key, (_, binding, _) in cases.items()},
            "data": {**ROLE_ONLY, "account": "data", "clusters": ["x"]},
        },
    }
    given(project, settings, {"kubernetes:context": "nope", "aws:maxRetries": 1})
    failures = {
        "/clusters/denied": NO_PERMISSION,
        "/clusters/throttled": THROTTLED,
        "GetOpenIDConnectProvider": NO_PROVIDER,
        "AssumeRole": NO_IDENTITY,
    }
    with failing_aws(failures, cloud.aws_address) as address:
        said = failures_of(project, AWS_ENDPOINT_URL=address)

    for words in expected:
        assert any(all(word in failure for word in words) for failure in said), (words, said)
    assert len(said) == len(expected)


class Silent(BaseHTTPRequestHandler):
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
    given(project)

    refused(project, "no connection to AWS", "region us-west-2", "HTTPS_PROXY", AWS_ENDPOINT_URL=silent)


def test_a_certificate_that_is_not_trusted(project: Project, untrusted: str) -> None:
    given(project)

    refused(project, "is not trusted", "AWS_CA_BUNDLE", AWS_ENDPOINT_URL=untrusted)
