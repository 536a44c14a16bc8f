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
from irsa_program.live import cloud, look, reader
from irsa_program.live.look import LiveReport
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import Caller
from irsa_world.live.eks import EksClient
from irsa_world.live.kubeconfig import configuration
from irsa_world.model import EksCluster
from irsa_world.pods import TOKEN_FILE
from irsa_world.state.resource import resources_of
from tests.unit.program.live.scene import (
    ROOT,
    held_association,
    held_component,
    held_role,
    held_service_account,
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
BOTH = {"irsa": "used", "podIdentity": "used"}


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
    """Every request to AWS, by its action."""
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


def test_a_good_stack_has_no_findings(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects every deployment: nothing is in the way, and everything could be asked."""
    assert looked({"bindings": {"app": APP}}) == LiveReport([], [], [], True)


def test_few_requests_however_many_bindings(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    """Protects large stacks from throttling, and the documented permissions: these actions, each once."""
    asked = {}
    for number in (1, 60):
        calls.clear()
        kubernetes.asked.clear()
        names = [f"app-{index}" for index in range(number)]
        looked({"bindings": {name: {"serviceAccount": {"name": name}, "role": {"name": name}} for name in names}})
        asked[number] = (dict(calls), sorted(kubernetes.asked))
    aws, paths = asked[1]

    assert asked[60] == asked[1]
    assert aws == {
        "sts:GetCallerIdentity": 1,
        "iam:GetOpenIDConnectProvider": 1,
        "iam:ListRoles": 1,
        # The policies of AWS are more than the 1,000 of one page.
        "iam:ListPolicies": aws["iam:ListPolicies"],
        "iam:ListOpenIDConnectProviders": 1,
        "iam:GetAccountSummary": 1,
    }
    assert paths == ["/.well-known/openid-configuration", "/api/v1/namespaces", "/api/v1/serviceaccounts"]


def test_a_stack_of_roles_alone_asks_no_cluster(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects from a conflict that `pulumi up` does not have: nothing is created in Kubernetes."""
    kubernetes.status = 500

    assert looked({"bindings": {"app": {"trust": {"subjects": ["default:app"]}}}}) == LiveReport([], [], [], True)
    assert kubernetes.asked == []


@pytest.mark.usefixtures("pod_identity")
def test_what_is_asked_is_what_the_documented_policy_allows(
    iam: Any, kubernetes: Kubernetes, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects least privilege: with a role to adopt, an EKS cluster and an access entry, exactly these actions."""
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
    """Protects clusters without an IAM OIDC provider: nobody asks for one, and the bindings are compared.

    And large stacks: one question for each cluster, however many bindings.
    """
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


def associated(eks: Any, iam: Any) -> str:
    """Create an association of default/app with another role, and return its ID."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    trust = json.dumps({**TRUST, "Statement": [statement]})
    role = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    there = {"clusterName": "my-cluster", "namespace": "default", "serviceAccount": "app", "roleArn": role}
    return str(eks.create_pod_identity_association(**there)["association"]["associationId"])


def test_what_exists_in_eks_is_compared(eks: Any, iam: Any, kubernetes: Kubernetes) -> None:
    """Protects from `ResourceInUseException`, half-way, and Pods from a cluster without the agent."""
    association_id = associated(eks, iam)
    eks.delete_addon(clusterName="my-cluster", addonName="eks-pod-identity-agent")
    report = looked({**NAMED, "bindings": {"app": PODS_ALONE}})

    assert rules(report.mistakes) == [("association-exists", "bindings.app.identity")]
    assert association_id in report.mistakes[0].mistake.fix
    # The agent may run without its add-on.
    assert rules(report.warnings) == [("agent-missing", "cluster")]


def test_what_the_state_holds_is_not_listed(
    eks: Any, kubernetes: Kubernetes, calls: Counter[str], state: dict[str, Any]
) -> None:
    """Protects clusters with thousands of associations: where none is created, they are in nobody's way."""
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
def test_a_cluster_that_eks_does_not_have(eks: Any, kubernetes: Kubernetes, identity: str) -> None:
    """The association needs the cluster's ARN, which EKS alone knows: the binding is named, and left out."""
    cluster = {**NAMED["cluster"], "name": "my-clustr"}
    report = looked({"cluster": cluster, "bindings": {"app": {**APP, "identity": identity}}})

    assert rules(report.mistakes) == [("cluster-unreachable", "cluster.name")]
    assert "bindings whose look-ups failed: app" in report.not_checked


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
    """Protects from silence, and from a refusal: who may not list associations may still create one."""

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


def test_pods_are_read_where_a_way_ends(eks: Any, iam: Any, kubernetes: Kubernetes, state: dict[str, Any]) -> None:
    """Protects Pods: those with the token of IRSA hold its end back. One list has those of a namespace."""
    association_id = associated(eks, iam)
    logical = f"default/app@{HOST}"
    component = held_component("role/app-role", f"arn:aws:iam::{NUMBER}:role/app-role", "default/app", "app", BOTH)
    kept = held_service_account(logical, "default", "app") | {"parent": component["urn"]}
    state["deployment"]["resources"] = [component, kept, held_association(logical, association_id)]
    variables = {"AWS_ROLE_ARN": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE}
    env = [{"name": name, "value": value} for name, value in variables.items()]
    pod = {"serviceAccountName": "app", "containers": [{"name": "main", "env": env}]}
    kubernetes.objects["serviceaccounts"] += [{"metadata": {"namespace": "default", "name": "app"}}]
    kubernetes.objects["pods"] = [{"metadata": {"namespace": "default", "name": "old"}, "spec": pod}]
    report = looked({**NAMED, "bindings": {"app": PODS_ALONE}})

    assert rules(report.mistakes) == [("pods-hold-back", "bindings.app.identity")]
    assert kubernetes.asked.count("/api/v1/namespaces/default/pods") == 1


def test_a_guard_reads_pods_and_guards_by_a_list_each(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects the budget, and who has no guard: without one, neither is read. A warning stops nothing."""
    pod = {"serviceAccountName": "app", "containers": [{"name": "main"}]}
    kubernetes.objects["pods"] = [{"metadata": {"namespace": "default", "name": "old"}, "spec": pod}]
    report, before = looked({"bindings": {"app": APP}, "guard": "warn"}), len(kubernetes.asked)

    assert (report.mistakes, rules(report.warnings)) == ([], [("guard-refuses", "bindings.app")])
    lists = ["/api/v1/namespaces/default/pods", f"{ADMISSION}/validatingadmissionpolicybindings"]
    assert [kubernetes.asked.count(each) for each in lists] == [1, 1]
    assert looked({"bindings": {"app": APP}, "guard": "off"}) == LiveReport([], [], [], True)
    assert set(lists).isdisjoint(kubernetes.asked[before:])


@pytest.mark.parametrize(("users", "exist"), [(["me"], False), (["you"], True)])
def test_a_guard_that_cannot_be_created_or_changed(
    iam: Any, kubernetes: Kubernetes, users: list[str], exist: bool
) -> None:
    """Protects from an `up` that ends half-way, and from the one after it: both are said before.

    https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/
    """
    kubernetes.objects["pods"] = []
    kubernetes.policies = ["irsa-guard-irsa.prod-role"] if exist else ["irsa-guard-another.prod-role"]
    rule = {"mode": "deny", "users": users}
    report = looked({"bindings": {"app": APP}, "guard": {"mode": "warn", "annotations": rule}})

    expected = [("guard-locks-out", "guard.annotations"), ("guard-exists", "guard")]
    assert rules(report.mistakes) == (expected if exist else [])


def test_a_cluster_that_is_too_old_for_a_guard(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects who has Kubernetes 1.29 from the plugin's words: `pulumi up` would be refused."""
    kubernetes.is_old, kubernetes.objects["pods"] = True, []
    rule, place, found = one(looked({"bindings": {"app": APP}, "guard": "deny"}))

    assert (rule, place) == ("guard-unavailable", "guard")
    assert found == "cluster test has no ValidatingAdmissionPolicy of admissionregistration.k8s.io/v1"


def _entries_like_eks(*_: Any) -> list[str]:
    return []


# AWS accounts


def test_no_credentials(iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Protects from a traceback: it is one mistake, and the bindings that could not be compared are named."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    report = looked({"bindings": {"app": APP}})

    assert one(report)[0] == "credentials"
    assert "bindings whose look-ups failed: app" in report.not_checked


def test_no_credentials_for_what_needs_none(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, calls: Counter[str]
) -> None:
    """Protects a stack that only annotates service accounts: `pulumi up` asks nothing of the stack's AWS account.

    That nobody could ask for the role is said, and is no failure.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    not_checked = (
        "whether the roles in role.arn exist: no AWS credentials for the stack's AWS account, region us-west-2"
    )

    assert looked({"bindings": {"app": naming("a")}}) == LiveReport([], [], [not_checked], True)
    assert calls.keys() == {"sts:GetCallerIdentity"}


def naming(role: str, number: str = NUMBER) -> dict[str, Any]:
    """A binding that gives a service account somebody else's role."""
    return {"serviceAccount": {"name": role}, "role": {"arn": f"arn:aws:iam::{number}:role/{role}"}}


def test_a_role_that_is_only_named(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    """Protects Pods: STS gives no credentials for a role that does not exist, and `pulumi up` does not look.

    Of an AWS account that the stack cannot ask nothing is said; one list answers for all of them.
    """
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


def test_a_named_role_beside_created_ones(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects bindings that name the role of another one of the same stack: it does not exist before `pulumi up`."""
    report = looked({"bindings": {"app": APP, "same": naming("app-role"), "other": naming("none")}})

    assert rules(report.warnings) == [("role-missing", "bindings.other.role.arn")]
    assert report.mistakes == []


@pytest.mark.parametrize(
    ("setting", "numbers", "refused"),
    [
        ("aws:allowedAccountIds", ["111122223333"], True),
        ("aws:allowedAccountIds", '["111122223333"]', True),
        ("aws:allowedAccountIds", [NUMBER], False),
        ("aws:forbiddenAccountIds", [NUMBER], True),
    ],
)
def test_credentials_of_another_account(
    iam: Any, kubernetes: Kubernetes, setting: str, numbers: Any, refused: bool
) -> None:
    """The AWS provider refuses an AWS account that the stack does not allow, or forbids."""
    report = looked({"bindings": {"app": APP}}, {**SETTINGS, setting: numbers})

    assert [mistake.rule for mistake in report.mistakes] == (["wrong-account"] if refused else [])
    assert all(NUMBER in mistake.mistake.found for mistake in report.mistakes)


def test_the_role_of_another_account_cannot_be_assumed(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]
) -> None:
    """Protects the other bindings: what is in the reachable AWS account is compared all the same.

    What the binding whose look-ups failed has deployed is not told to be deleted.
    """
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
    """Protects from silence: names that could not be compared are not good, and not wrong.

    And from a false green: IAM was there for the first questions, and gone for the next.
    """

    def refuse(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("irsa_world.live.iam.AwsAccountClient.listed_roles", refuse)
    report = looked({"bindings": {"app": APP}})

    assert report == LiveReport([], [], [f"AWS account {NUMBER}, {not_checked}"], has_looked)


class Late(CouldNotLookError):
    """A denial whose kind is known only when the other question has failed."""

    failed = threading.Event()

    def _kind(self) -> type:
        self.failed.wait(5)
        return NoPermissionError

    __class__ = property(_kind)


@pytest.mark.usefixtures("kubernetes")
def test_one_question_without_an_answer_is_enough(iam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from a false green: IAM denies a list while the cluster does not answer another, in two threads."""

    def denied(*_: Any) -> Any:
        raise Late("iam:ListRoles: denied")

    def silent(*_: Any) -> Any:
        Late.failed.set()
        raise CouldNotLookError("no connection")

    monkeypatch.setattr("irsa_world.live.iam.AwsAccountClient.listed_roles", denied)
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClient.issuer", property(silent))

    assert not looked({"bindings": {"app": APP}}).has_looked


def test_keys_in_the_stack_file_are_not_used(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    """Protects from asking with other credentials than `pulumi up` would."""
    report = looked({"bindings": {"app": APP}}, {**SETTINGS, "aws:accessKey": "AKIA"})

    assert (report.mistakes, report.has_looked, calls) == ([], False, {})
    assert report.not_checked == ["AWS and Kubernetes: irsa does not use aws:accessKey"]


# Clusters and their providers


@pytest.mark.parametrize(
    ("values", "settings", "found", "words"),
    [
        # In place of `couldn't find resource`: the region and the AWS account asked are named.
        ({"cluster": {"name": "my-clustr"}}, {}, ("cluster-unreachable", "cluster.name"), ("us-west-2", NUMBER)),
        # STS refuses tokens of an audience that is not in the client ID list.
        ({"bindings": {"app": {**APP, "audience": "vault"}}}, {}, ("audience-missing", "cluster"), ("vault",)),
        # The contexts that exist are named. The engine passes a number as its text, and so it is compared.
        ({}, {"kubernetes:context": "tset"}, ("context-missing", "kubernetes:context"), ("it has: test",)),
        ({}, {"kubernetes:context": 5}, ("context-missing", "kubernetes:context"), ("5",)),
        # A path is relative to the folder of Pulumi.yaml.
        (
            {"cluster": {**CLUSTER, "kubernetes": {"kubeconfig": "no/such", "context": "test"}}},
            {},
            ("context-missing", "cluster.kubernetes.kubeconfig"),
            (str(ROOT / "no/such"),),
        ),
    ],
)
@pytest.mark.usefixtures("iam", "kubernetes")
def test_what_does_not_exist(values: Any, settings: Any, found: tuple[str, str], words: tuple[str, ...]) -> None:
    """Protects from `pulumi up` that ends half-way, or reaches another cluster: what is missing is named."""
    report = looked({"bindings": {"app": APP}, **values}, settings or SETTINGS)
    (mistake,) = report.mistakes

    assert (mistake.rule, mistake.where.removeprefix("irsa:")) == found
    assert all(word in mistake.mistake.found for word in words)


def test_a_provider_that_does_not_exist(iam: Any, kubernetes: Kubernetes) -> None:
    """The bindings are compared all the same: the ARN of the provider is known."""
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))

    assert rules(looked({"bindings": {"app": APP}}).mistakes) == [
        ("provider-missing", "cluster"),
        ("role-exists", "bindings.app.role.name"),
    ]


@pytest.mark.parametrize("outputs", [{}, {"oidcIssuer": "not-a-url"}, None])
def test_outputs_of_another_stack(
    iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str] | None
) -> None:
    """A platform stack without the outputs, with a wrong one, or that cannot be read, is one mistake."""

    def stack_outputs(*_: Any) -> dict[str, str]:
        if outputs is None:
            raise CouldNotLookError("no stack named 'x' found")
        return outputs

    monkeypatch.setattr(cloud, "stack_outputs", stack_outputs)
    rule, place, _ = one(looked({"cluster": {"stack": "a/b/c"}, "bindings": {"app": APP}}))

    assert (rule, place) == ("cluster-unreachable", "cluster.stack")


# Kubernetes


def test_a_cluster_whose_kubeconfig_is_a_secret(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects from a false green: nothing of the cluster is looked at, which is said."""
    report = looked({"bindings": {"app": APP}}, {"kubernetes:kubeconfig": SECRET})

    assert report == LiveReport([], [], ["the cluster of irsa:cluster: its kubeconfig is a secret"], False)


def test_a_kubeconfig_with_a_key_that_irsa_does_not_follow(iam: Any, kubernetes: Kubernetes, tmp_path: Path) -> None:
    """Protects who acts as somebody else: Pulumi does, so that it is no mistake, and nothing is looked at."""
    file = tmp_path / "kubeconfig"
    file.write_text(file.read_text().replace('"token": "t"', '"token": "t", "as": "admin"'))
    report = looked({"bindings": {"app": APP}})

    why = f"kubeconfig {file}: user test has as, which irsa does not follow"
    assert report == LiveReport([], [], [f"the cluster of irsa:cluster: {why}"], False)


def test_a_cluster_that_does_not_answer(iam: Any, kubernetes: Kubernetes) -> None:
    """Roles and policies are compared all the same."""
    kubernetes.shutdown()
    kubernetes.server_close()
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))

    assert rules(looked({"bindings": {"app": APP}}).mistakes) == [
        ("cluster-unreachable", "cluster"),
        ("role-exists", "bindings.app.role.name"),
    ]


def test_the_context_of_another_cluster(iam: Any, kubernetes: Kubernetes) -> None:
    """Protects from deploying into the wrong cluster: its tokens have another issuer."""
    kubernetes.issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/ANOTHER"
    rule, _, found = one(looked({"bindings": {"app": APP}}))

    assert rule == "wrong-cluster"
    assert "its issuer is https://oidc.eks.us-west-2.amazonaws.com/id/ANOTHER" in found


def test_a_cluster_that_denies_is_not_checked(iam: Any, kubernetes: Kubernetes) -> None:
    """403: who may not list namespaces may still be allowed to deploy."""
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
    """Protects from false alarms: what exists may be this stack's own; it is said that nobody knows."""

    def unreadable(*_: Any) -> Any:
        raise CouldNotLookError("pulumi is not on PATH")

    monkeypatch.setattr(look, "exported_state", unreadable)
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    report = looked({"bindings": {"app": APP}})

    assert report.mistakes == []
    assert report.not_checked == ["the stack's state, so that what exists may be its own: pulumi is not on PATH"]


def test_a_new_stack_holds_nothing(iam: Any, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before `pulumi stack init` everything that exists is another's."""

    def missing(*_: Any) -> Any:
        raise CouldNotLookError("pulumi stack export: \"no stack named 'prod' found\"")

    monkeypatch.setattr(look, "exported_state", missing)
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    report = looked({"bindings": {"app": APP}})

    assert [mistake.rule for mistake in report.mistakes] == ["role-exists"]
    assert report.not_checked == []


def test_a_stack_of_the_sandbox_never_asks_aws(iam: Any, kubernetes: Kubernetes, calls: Counter[str]) -> None:
    """Protects the user's AWS account: outside the sandbox, nothing of a sandbox stack is asked."""
    report = looked({"sandbox": True, "bindings": {"app": APP}})

    assert (report.has_looked, calls, kubernetes.asked) == (False, {}, [])
    assert "make up" in report.not_checked[0]


def test_a_binding_that_is_wrong_in_this_account_does_not_hide_the_others(iam: Any, kubernetes: Kubernetes) -> None:
    """What shows only with the real AWS account is a mistake at its line; the other bindings are compared."""
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    wrong = {"serviceAccount": {"name": "b"}, "policyArns": ["arn:aws:iam::444455556666:policy/theirs"]}

    cluster = {"oidcIssuer": f"https://{HOST}", "createOidcProvider": True}

    assert rules(looked({"cluster": cluster, "bindings": {"app": APP, "wrong": wrong}}).mistakes) == [
        ("error", "bindings.wrong.policyArns[0]"),
        ("role-exists", "bindings.app.role.name"),
        ("provider-exists", "cluster.createOidcProvider"),
    ]


@pytest.mark.parametrize("key", ["aws:allowedAccountIds", "aws:assumeRoles", "aws:profile", "kubernetes:context"])
def test_a_provider_setting_that_is_a_secret(key: str) -> None:
    """Protects from a traceback, and from a question with other credentials: it is not checked, and says why."""
    reason = f"AWS and Kubernetes: {key}: a secret"

    assert looked({"bindings": {"app": APP}}, {**SETTINGS, key: SECRET}) == LiveReport([], [], [reason], False)
