"""Looking: an AWS API in memory, a Kubernetes API on a port, and the state in place of `pulumi stack export`."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws
from moto.eks.models import eks_backends

from irsa.rules.unknown import SECRET
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import Caller
from irsa_world.live.eks import EksClient
from irsa_world.live.kubeconfig import configuration
from irsa_world.model import EksCluster
from irsa_world.state.resource import resources_of
from program.live import cloud, look, reader
from program.live.look import LiveReport
from tests.unit.program.live.scene import (
    ROOT,
    held_association,
    held_role,
    rules,
    stack_of,
)

HOST = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
NUMBER = "123456789012"
TRUST = {"Version": "2012-10-17", "Statement": []}
APP = {"serviceAccount": {"name": "app"}, "role": {"name": "app-role"}}
PROVIDER = f"arn:aws:iam::{NUMBER}:oidc-provider/{HOST}"
CLUSTER = {"oidcIssuer": f"https://{HOST}", "oidcProviderArn": PROVIDER}
SETTINGS = {"kubernetes:context": "test"}
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


class Kubernetes(ThreadingHTTPServer):
    """A Kubernetes API with the namespaces `default` and `kube-system`, and what a test adds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.asked: list[str] = []
        self.status = 200
        self.issuer = f"https://{HOST}"
        self.is_old = False
        self.policies: list[str] = []
        self.objects: dict[str, list[dict[str, Any]]] = {
            "namespaces": [{"metadata": {"name": each}} for each in ("default", "kube-system")],
            "serviceaccounts": [{"metadata": {"namespace": "default", "name": "default"}}],
        }


class Requests(BaseHTTPRequestHandler):
    server: Kubernetes

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        kind, _, name = path.removeprefix(f"{ADMISSION}/").partition("/")
        body: dict[str, Any] = {"issuer": self.server.issuer}
        if path.startswith("/api/v1/"):
            body = {"items": self.server.objects[path.rsplit("/", 1)[-1]], "metadata": {}}
        is_missing = kind == "validatingadmissionpolicies" and name not in self.server.policies
        if self.server.status != 200:
            body = {"message": "denied"}
        # A kind that the API server does not have is no object of its API.
        is_unknown = self.server.is_old and "admissionregistration" in path
        nothing = {"reason": "NotFound", "details": {} if is_unknown else {"name": name}}
        self._answer(nothing if is_unknown or is_missing else body, 404 if is_unknown or is_missing else None)

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self._answer({"status": {"userInfo": {"username": "me", "groups": ["system:authenticated"]}}})

    def _answer(self, body: Any, status: int | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(status or self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = Kubernetes()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = {
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "test", "user": {"token": "t"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def iam(faster_moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "IRSA_SANDBOX"):
        monkeypatch.delenv(name, raising=False)
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name, value in {**dict.fromkeys(keys, "x"), "AWS_DEFAULT_REGION": "us-west-2"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("iam")
        client.create_open_id_connect_provider(Url=f"https://{HOST}", ClientIDList=["sts.amazonaws.com"])
        yield client


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted: Counter[str] = Counter()
    send = getattr(botocore.client.BaseClient, "_make_api_call")  # noqa: B009 (the stubs lack it)

    def counting(self: Any, operation: str, parameters: Any) -> Any:
        counted[f"{self.meta.service_model.service_name}:{operation}"] += 1
        return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counting)
    return counted


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    exported: dict[str, Any] = {"deployment": {"resources": []}}
    monkeypatch.setattr(look, "exported_state", lambda *_: resources_of(exported))
    return exported


def looked(values: Mapping[str, Any], settings: Mapping[str, Any] = SETTINGS, folder: Path = ROOT) -> LiveReport:
    where = {} if {"cluster", "clusters"} & values.keys() else {"cluster": CLUSTER}
    return look.look(stack_of({**where, **values}), "prod", folder, settings, "us-west-2")


def one(report: LiveReport) -> tuple[str, str, str]:
    """Return the rule, the place and what was found of the only mistake."""
    (mistake,) = report.mistakes
    ((rule, place),) = rules([mistake])
    return rule, place, mistake.mistake.found


def test_a_stack_of_roles_alone_asks_no_cluster(iam: Any, kubernetes: Kubernetes) -> None:
    kubernetes.status = 500

    assert looked({"bindings": {"app": {"trust": {"subjects": ["default:app"]}}}}) == LiveReport([], [], [], True)
    assert kubernetes.asked == []


@pytest.mark.usefixtures("pod_identity")
def test_what_is_asked_is_what_the_documented_policy_allows(
    iam: Any, kubernetes: Kubernetes, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    role = boto3.client("iam").create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    create_cluster(role["Arn"])
    monkeypatch.setattr(EksClient, "access_entries", _entries_like_eks)
    kubernetes.status = 401
    cluster = {"name": "my-cluster", "kubernetes": {"eks": True}}
    looked({"cluster": {**CLUSTER, **cluster}, "bindings": {"app": {**APP, "import": ["role"]}}})
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="app-role", PolicyName="own", PolicyDocument=json.dumps(document))
    iam.create_policy(PolicyName="shared", PolicyDocument=json.dumps(document))
    policies = {"policy": {"name": "shared", "document": document}, "inlinePolicies": {"own": {"document": document}}}
    adopted = ["role", "policy", "inlinePolicies"]
    looked({"bindings": {"app": {**APP, **policies, "import": adopted}}})
    looked({"cluster": {**CLUSTER, "name": "my-cluster"}, "bindings": {"app": {**APP, "identity": "both"}}})
    statements = json.loads((ROOT / "docs" / "permissions" / "iam-check-live.json").read_text())["Statement"]
    allowed = {a for s in statements for a in (s["Action"] if isinstance(s["Action"], list) else [s["Action"]])}

    # STS needs no permission for it; of access entries moto knows nothing.
    assert {*calls, "eks:ListAccessEntries"} - {
        "sts:GetCallerIdentity",
        "iam:CreateRole",
        "iam:CreatePolicy",
        "iam:PutRolePolicy",
        "eks:CreateCluster",
    } == allowed


def create_cluster(role_arn: str, issuer: str = f"https://{HOST}") -> None:
    """Create the EKS cluster my-cluster of an issuer, which moto would choose."""
    boto3.client("eks").create_cluster(name="my-cluster", roleArn=role_arn, resourcesVpcConfig={})
    eks_backends[NUMBER]["us-west-2"].clusters["my-cluster"].identity = {"oidc": {"issuer": issuer}}


@pytest.fixture
def eks(pod_identity: None, iam: Any) -> Any:
    """EKS with a cluster, and the add-on that gives Pods the credentials of EKS Pod Identity."""
    client = boto3.client("eks")
    create_cluster(f"arn:aws:iam::{NUMBER}:role/cluster")
    client.create_addon(clusterName="my-cluster", addonName="eks-pod-identity-agent")
    return client


PODS_ALONE = {**APP, "identity": "podIdentity"}
NAMED = {"cluster": {"name": "my-cluster", "oidcIssuer": f"https://{HOST}"}}


def test_pod_identity_alone_needs_no_oidc_provider(
    eks: Any, iam: Any, kubernetes: Kubernetes, calls: Counter[str]
) -> None:
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    asked = {}
    for number in (1, 40):
        calls.clear()
        names = [f"app-{index}" for index in range(number)]
        bindings = {
            each: {"identity": "podIdentity", "serviceAccount": {"name": each}, "role": {"name": each}}
            for each in names
        }
        assert looked({**NAMED, "bindings": bindings}) == LiveReport([], [], [], True)
        asked[number] = {action: count for action, count in calls.items() if not action.startswith("iam:")}

    assert (
        asked[40]
        == asked[1]
        == {
            "sts:GetCallerIdentity": 1,
            "eks:DescribeCluster": 1,
            "eks:DescribeAddon": 1,
            "eks:ListPodIdentityAssociations": 1,
        }
    )
    assert calls["iam:GetOpenIDConnectProvider"] == 0
    assert "/api/v1/pods" not in kubernetes.asked


def test_what_the_state_holds_is_not_listed(
    eks: Any, kubernetes: Kubernetes, calls: Counter[str], state: dict[str, Any]
) -> None:
    state["deployment"]["resources"] = [held_association(f"default/app@{HOST}", "a-1")]

    assert looked({**NAMED, "bindings": {"app": PODS_ALONE}}).mistakes == []
    assert calls["eks:ListPodIdentityAssociations"] == 0
    assert calls["eks:DescribeAddon"] == 1


def test_auto_mode_has_the_agent(
    eks: Any, kubernetes: Kubernetes, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects clusters of Auto Mode, where the agent is no add-on.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    """
    eks.delete_addon(clusterName="my-cluster", addonName="eks-pod-identity-agent")
    description = {
        "status": "ACTIVE",
        "arn": f"arn:aws:eks:us-west-2:{NUMBER}:cluster/my-cluster",
        "computeConfig": {"enabled": True},
    }
    monkeypatch.setattr(EksClient, "cluster", lambda *_: EksCluster.of(description))

    assert looked({**NAMED, "bindings": {"app": PODS_ALONE}}).mistakes == []


@pytest.mark.parametrize("identity", ["both", "podIdentity"])
def test_an_issuer_that_is_not_the_clusters(eks: Any, kubernetes: Kubernetes, identity: str) -> None:
    """The attack: by its name it is the cluster, and by its issuer somebody else's, whose tokens the role would trust.

    EKS has both: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
    """
    evil = {"name": "my-cluster", "oidcIssuer": "https://evil.example.com", "createOidcProvider": True}
    kubernetes.issuer = "https://evil.example.com"
    report = looked({"cluster": evil, "bindings": {"app": {**APP, "identity": identity}}})

    assert rules(report.mistakes) == [("wrong-cluster", "cluster.oidcIssuer")]
    assert HOST in report.mistakes[0].mistake.found


def test_eks_that_denies_is_not_checked(eks: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: Any) -> Any:
        raise NoPermissionError("denied")

    for question in ("listed", "addon_status"):
        monkeypatch.setattr(EksClient, question, deny)
    report = looked({**NAMED, "bindings": {"app": PODS_ALONE}})

    assert report.mistakes == []
    assert report.not_checked == [
        "EKS cluster my-cluster, associations: denied",
        "EKS cluster my-cluster, its add-on of EKS Pod Identity: denied",
    ]


def test_a_cluster_that_is_too_old_for_a_guard(iam: Any, kubernetes: Kubernetes) -> None:
    kubernetes.is_old, kubernetes.objects["pods"] = True, []
    rule, place, found = one(looked({"bindings": {"app": APP}, "guard": "deny"}))

    assert (rule, place) == ("guard-unavailable", "guard")
    assert found == "cluster test has no ValidatingAdmissionPolicy of admissionregistration.k8s.io/v1"


def _entries_like_eks(*_: Any) -> list[str]:
    return []


# AWS accounts


def test_no_credentials_for_what_needs_none(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, calls: Counter[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    not_checked = (
        "whether the roles in role.arn exist: no AWS credentials for the stack's AWS account, region us-west-2"
    )

    assert looked({"bindings": {"app": naming("a")}}) == LiveReport([], [], [not_checked], True)
    assert calls.keys() == {"sts:GetCallerIdentity"}


def naming(role: str, number: str = NUMBER) -> dict[str, Any]:
    return {"serviceAccount": {"name": role}, "role": {"arn": f"arn:aws:iam::{number}:role/{role}"}}


def test_a_role_that_is_only_named(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    for name, path in (("app-role", "/"), ("moved", "/team/")):
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST))
    calls.clear()
    names = ("app-role", "ap-role", "moved", "elsewhere")
    bindings = {name: naming(name, "444455556666" if name == "elsewhere" else NUMBER) for name in names}
    report = looked({"bindings": bindings})

    assert (report.mistakes, report.not_checked, report.has_looked) == ([], [], True)
    assert rules(report.warnings) == [
        ("role-missing", "bindings.ap-role.role.arn"),
        ("role-missing", "bindings.moved.role.arn"),
    ]
    assert [warning.mistake.fix for warning in report.warnings] == [
        f"did you mean arn:aws:iam::{NUMBER}:role/app-role?",
        f"did you mean arn:aws:iam::{NUMBER}:role/team/moved?",
    ]
    assert calls == {"sts:GetCallerIdentity": 1, "iam:ListRoles": 1}


def test_the_role_of_another_account_cannot_be_assumed(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]
) -> None:
    state["deployment"]["resources"] = [held_role("data", "data-20261125")]

    def session_of(inputs: Mapping[str, Any]) -> Any:
        if inputs.get("assumeRoles"):
            raise CouldNotLookError("AccessDenied: no", Cause.ROLE_NOT_ASSUMABLE, inputs["assumeRoles"][0]["roleArn"])
        return boto3.session.Session()

    monkeypatch.setattr("irsa_world.live.aws.session_of", session_of)
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    data = {"account": "data", "trust": {"subjects": ["a:b"]}}
    role = "arn:aws:iam::444455556666:role/deployer"
    report = looked({"accounts": {"data": {"assumeRoleArn": role}}, "bindings": {"app": APP, "data": data}})

    assert rules(report.mistakes) == [
        ("account-unreachable", "accounts.data.assumeRoleArn"),
        ("role-exists", "bindings.app.role.name"),
    ]
    assert report.warnings == []
    assert "bindings whose look-ups failed: data" in report.not_checked


@pytest.mark.parametrize(
    ("error", "not_checked", "has_looked"),
    [
        (NoPermissionError("iam:ListRoles: AccessDenied: no"), "names of roles: iam:ListRoles: AccessDenied: no", True),
        (CouldNotLookError("iam:ListRoles: no connection"), "names of roles: iam:ListRoles: no connection", False),
    ],
    ids=["denied", "gone"],
)
@pytest.mark.usefixtures("iam", "kubernetes")
def test_a_question_without_an_answer_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, error: CouldNotLookError, not_checked: str, has_looked: bool
) -> None:
    def refuse(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("irsa_world.live.iam.AwsAccountClient.listed_roles", refuse)
    report = looked({"bindings": {"app": APP}})

    assert report == LiveReport([], [], [f"AWS account {NUMBER}, {not_checked}"], has_looked)


def test_keys_in_the_stack_file_are_not_used(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    report = looked({"bindings": {"app": APP}}, {**SETTINGS, "aws:accessKey": "AKIA"})

    assert (report.mistakes, report.has_looked, calls) == ([], False, {})
    assert report.not_checked == ["AWS and Kubernetes: irsa does not use aws:accessKey"]


# Clusters and their providers


@pytest.mark.parametrize("outputs", [{}, {"oidcIssuer": "not-a-url"}, None])
def test_outputs_of_another_stack(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str] | None
) -> None:
    def stack_outputs(*_: Any) -> dict[str, str]:
        if outputs is None:
            raise CouldNotLookError("no stack named 'x' found")
        return outputs

    monkeypatch.setattr(cloud, "stack_outputs", stack_outputs)
    rule, place, _ = one(looked({"cluster": {"stack": "a/b/c"}, "bindings": {"app": APP}}))

    assert (rule, place) == ("cluster-unreachable", "cluster.stack")


# Kubernetes


def test_a_cluster_whose_kubeconfig_is_a_secret(iam: Any, kubernetes: Kubernetes) -> None:
    report = looked({"bindings": {"app": APP}}, {"kubernetes:kubeconfig": SECRET})

    assert report == LiveReport([], [], ["the cluster of irsa:cluster: its kubeconfig is a secret"], False)


def test_a_cluster_that_does_not_answer(iam: Any, kubernetes: Kubernetes) -> None:
    kubernetes.shutdown()
    kubernetes.server_close()
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))

    assert rules(looked({"bindings": {"app": APP}}).mistakes) == [
        ("cluster-unreachable", "cluster"),
        ("role-exists", "bindings.app.role.name"),
    ]


def test_the_context_of_another_cluster(iam: Any, kubernetes: Kubernetes) -> None:
    kubernetes.issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/ANOTHER"
    rule, _, found = one(looked({"bindings": {"app": APP}}))

    assert rule == "wrong-cluster"
    assert "its issuer is https://oidc.eks.us-west-2.amazonaws.com/id/ANOTHER" in found


def test_a_cluster_that_denies_is_not_checked(iam: Any, kubernetes: Kubernetes) -> None:
    kubernetes.status = 403
    report = looked({"bindings": {"app": APP}})

    assert report.mistakes == []
    assert [text.partition(":")[0] for text in report.not_checked] == [
        "cluster test, its issuer",
        "cluster test, namespaces",
        "cluster test, service accounts",
    ]


@pytest.mark.parametrize(
    ("access", "rule"),
    [
        (("API",), "access-entry-missing"),
        (("API_AND_CONFIG_MAP",), "access-entry-missing"),
        (("API", f"arn:aws:iam::{NUMBER}:role/team/deployer"), "cluster-unreachable"),
        (("CONFIG_MAP",), "cluster-unreachable"),
    ],
)
def test_an_access_entry_that_is_missing(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, access: tuple[str, ...], rule: str
) -> None:
    """401 of an EKS cluster: it does not know the role of the session, whose ARN there lacks the path.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
    """
    kubernetes.status = 401
    mode, *entries = access
    description = {
        "status": "ACTIVE",
        "endpoint": "https://x",
        "certificateAuthority": {"data": "eA=="},
        "accessConfig": {"authenticationMode": mode},
    }
    session = f"arn:aws:sts::{NUMBER}:assumed-role/deployer/me"
    monkeypatch.setattr(EksClient, "cluster", lambda *_: EksCluster.of(description))
    monkeypatch.setattr(EksClient, "access_entries", lambda *_: entries)
    monkeypatch.setattr("irsa_world.live.aws.caller", lambda _: Caller(NUMBER, session))
    monkeypatch.setattr(reader, "configuration", lambda _: configuration({"context": "test"}))
    cluster = {**CLUSTER, "name": "my-cluster", "kubernetes": {"eks": True}}
    found_rule, place, found = one(looked({"cluster": cluster, "bindings": {"app": APP}}))

    assert (found_rule, place) == (rule, "cluster.kubernetes")
    if rule == "access-entry-missing":
        assert f"arn:aws:iam::{NUMBER}:role/deployer has no access entry" in found


# The state


def test_a_state_that_cannot_be_read(iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: Any) -> Any:
        raise CouldNotLookError("pulumi is not on PATH")

    monkeypatch.setattr(look, "exported_state", unreadable)
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    report = looked({"bindings": {"app": APP}})

    assert report.mistakes == []
    assert report.not_checked == ["the stack's state, so that what exists may be its own: pulumi is not on PATH"]


def test_a_stack_of_the_sandbox_never_asks_aws(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    report = looked({"sandbox": True, "bindings": {"app": APP}})

    assert (report.has_looked, calls, kubernetes.asked) == (False, {}, [])
    assert "make up" in report.not_checked[0]


@pytest.mark.parametrize("key", ["aws:allowedAccountIds", "aws:assumeRoles", "aws:profile", "kubernetes:context"])
def test_a_provider_setting_that_is_a_secret(key: str) -> None:
    reason = f"AWS and Kubernetes: {key}: a secret"

    assert looked({"bindings": {"app": APP}}, {**SETTINGS, key: SECRET}) == LiveReport([], [], [reason], False)
