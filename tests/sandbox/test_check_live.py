"""`irsa check --live` against the sandbox: what it finds is what `pulumi up` refuses, and it asks little."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import irsa
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

FILE = f"Pulumi.{STACK}.yaml"


def checked(project: Project, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `irsa check --live`, and its report of the file."""
    answer = irsa(project, "check", "--live", FILE, "--json", **variables)
    assert answer.stdout, answer.stderr
    (report,) = json.loads(answer.stdout)["files"]
    return answer.returncode, report


def rules(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(mistake["rule"], mistake["path"].removeprefix("irsa:")) for mistake in report["errors"]]


def bindings(number: int) -> dict[str, Any]:
    document = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:${partition}:s3:::${region}/*"},
    }
    return {
        f"live-{index}": {
            "serviceAccount": {"name": f"live-{index}", "namespace": "lively", "createNamespace": True},
            "role": {"name": f"live-{index}"},
            "policy": {"name": f"live-{index}", "document": document},
            "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"],
        }
        for index in range(number)
    }


def test_it_asks_the_same_for_3_and_for_300_bindings(deploy: Callable[..., Project], cloud: Any) -> None:
    asked: dict[int, Counter[str]] = {}
    for number in (3, 300):
        project = deploy({"bindings": bindings(number)})
        before = cloud.aws_requests()
        assert checked(project)[0] == 0
        asked[number] = cloud.aws_requests() - before

    assert asked[300] == asked[3]
    assert asked[3]["POST / ListRoles"] == 1
    assert asked[3]["POST / GetOpenIDConnectProvider"] == 1


def test_the_documented_rights_are_enough(deploy: Callable[..., Project], cloud: Any, tmp_path: Path) -> None:
    checking = access(cloud, tmp_path, "checking", "kubernetes-check-live.yaml")
    project = deploy({"bindings": bindings(1)})
    code, report = checked(project, **checking)

    assert (code, report["errors"], report["notChecked"]) == (0, [], [])
    proving = access(cloud, tmp_path, "proving-instead", "kubernetes-prove.yaml", "kubernetes-prove-clusters.yaml")
    code, report = checked(project, **proving)
    assert (code, report["errors"]) == (0, [])
    assert [text.partition(":")[0].rpartition(", ")[2] for text in report["notChecked"]] == ["namespaces"]


@pytest.fixture(scope="module")
def deployed(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(cloud, tmp_path_factory.mktemp("check-live") / "project", {"bindings": bindings(1)})
    code, report = checked(project)
    assert (code, report) == (0, {**report, "good": True, "errors": [], "notChecked": []})
    project.up()
    yield project
    project.destroy()


def test_a_good_stack_has_no_findings_before_and_after(deployed: Project, deploy: Callable[..., Project]) -> None:
    code, report = checked(deployed)
    assert (code, report["errors"], report["warnings"], report["notChecked"]) == (0, [], [], [])
    # A second stack of the same names: everything that the first one has is in its way.
    code, report = checked(deploy({"bindings": bindings(1)}))
    assert code == 1
    assert rules(report) == [
        ("service-account-exists", "bindings.live-0.serviceAccount.name"),
        ("role-exists", "bindings.live-0.role.name"),
        ("policy-exists", "bindings.live-0.policy.name"),
    ]


def test_what_pods_would_lose(deployed: Project, cloud: Any) -> None:
    project = deployed
    changed = bindings(1)
    changed["live-0"]["serviceAccount"].update(create=False)
    project.set({"bindings": changed})
    code, report = checked(project)
    (warning,) = report["warnings"]

    assert (code, warning["rule"]) == (0, "pods-lose-role")
    retained = bindings(1)
    retained["live-0"]["retainOnDelete"] = True
    project.set({"bindings": retained})
    project.up()
    project.set({"bindings": changed})
    assert checked(project)[1]["warnings"] == []
    project.up()
    assert cloud.kubectl("get", "serviceaccount", "live-0", "-n", "lively").returncode == 0
    cloud.kubectl("delete", "serviceaccount", "live-0", "-n", "lively")


# EKS Pod Identity


@pytest.fixture
def theirs(cloud: Any) -> Iterator[str]:
    """The role of somebody else, which trusts EKS Pod Identity; its associations are gone after the test."""
    iam, eks = cloud.aws("iam"), cloud.aws("eks")
    actions = ["sts:AssumeRole", "sts:TagSession"]
    statement = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": actions}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    yield arn
    for each in eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]:
        found = {"clusterName": CLUSTER, "associationId": each["associationId"]}
        if eks.describe_pod_identity_association(**found)["association"]["roleArn"] == arn and "ownerArn" not in each:
            eks.delete_pod_identity_association(**found)
    iam.delete_role(RoleName="theirs")


def using_pods(name: str, namespace: str = "default", **more: Any) -> dict[str, Any]:
    app = {"serviceAccount": {"name": name, "namespace": namespace}, "role": {"name": name}, "identity": "podIdentity"}
    reads = {"policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]}
    return {"bindings": {"app": {**app, **reads, **more}}}


def test_an_association_that_exists(deploy: Callable[..., Project], cloud: Any, theirs: str) -> None:
    there = {"clusterName": CLUSTER, "namespace": "default", "serviceAccount": "taken", "roleArn": theirs}
    found = cloud.aws("eks").create_pod_identity_association(**there)["association"]["associationId"]
    project = deploy(using_pods("taken"))
    code, report = checked(project)

    assert (code, rules(report)) == (1, [("association-exists", "bindings.app.identity")])
    assert (
        report["errors"][0]["fix"]
        == f"adopt it, and its Pods get this role: podIdentity: {{importIds: {{cluster: {found}}}}}"
    )
    assert "ResourceInUseException" in project.run("up", "--yes").stdout
    project.set(using_pods("taken", podIdentity={"importIds": {"cluster": found}}))
    assert checked(project)[0] == 0
    project.set(using_pods("taken", podIdentity={"importIds": {"cluster": "a-aaaaaaaaaaaaaaaaa"}}))
    assert rules(checked(project)[1]) == [("import-missing", "bindings.app.podIdentity.importIds.cluster")]


def test_an_association_of_an_add_on(deploy: Callable[..., Project], cloud: Any, theirs: str) -> None:
    eks = cloud.aws("eks")
    addon = {"clusterName": CLUSTER, "addonName": "aws-ebs-csi-driver"}
    association = {"serviceAccount": "ebs-csi-controller-sa", "roleArn": theirs}
    eks.create_addon(**addon, podIdentityAssociations=[association])
    try:
        code, report = checked(deploy(using_pods("ebs-csi-controller-sa", "kube-system")))
    finally:
        eks.delete_addon(**addon)

    assert (code, rules(report)) == (1, [("association-exists", "bindings.app.identity")])
    assert "addon/aws-ebs-csi-driver" in report["errors"][0]["found"]


def test_a_cluster_without_the_agent(deploy: Callable[..., Project], cloud: Any) -> None:
    eks, agent = cloud.aws("eks"), {"clusterName": CLUSTER, "addonName": "eks-pod-identity-agent"}
    project = deploy(using_pods("unserved"))
    assert checked(project)[0] == 0
    eks.delete_addon(**agent)
    try:
        code, report = checked(project)
    finally:
        eks.create_addon(**agent)

    # An agent that was installed without the add-on is not seen.
    assert (code, rules(report)) == (0, [])
    assert [each["rule"] for each in report["warnings"]] == ["agent-missing"]


def test_a_chained_role_without_tags(deploy: Callable[..., Project], cloud: Any) -> None:
    iam = cloud.aws("iam")
    number = cloud.aws("sts").get_caller_identity()["Account"]
    principal = {"AWS": f"arn:aws:iam::{number}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_role(RoleName="chained", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    try:
        code, report = checked(deploy(using_pods("chaining", assumeRoleArns=[arn])))
    finally:
        iam.delete_role(RoleName="chained")

    assert (code, rules(report)) == (1, [("tag-session-missing", "bindings.app.assumeRoleArns[0]")])
