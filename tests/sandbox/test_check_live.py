"""`irsa check --live` against the sandbox: what it finds is what `pulumi up` refuses, and it asks little."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import irsa
from tests.sandbox.live import PODS, allowing, assumable, create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

FILE = f"Pulumi.{STACK}.yaml"


def checked(project: Project, **variables: str) -> tuple[int, dict[str, Any]]:
    answer = irsa(project, "check", "--live", FILE, "--json", **variables)
    assert answer.stdout, answer.stderr
    (report,) = json.loads(answer.stdout)["files"]
    return answer.returncode, report


def rules(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(mistake["rule"], mistake["path"].removeprefix("irsa:")) for mistake in report["errors"]]


def bindings(number: int) -> dict[str, Any]:
    document = allowing("arn:${partition}:s3:::${region}/*")
    return {
        f"live-{index}": {
            "serviceAccount": {"name": f"live-{index}", "namespace": "lively", "createNamespace": True},
            "role": {"name": f"live-{index}"},
            "policy": {"name": f"live-{index}", "document": document},
            "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"],
        }
        for index in range(number)
    }


def test_it_asks_the_same_for_3_and_for_60_bindings(deploy: Callable[..., Project], cloud: Any) -> None:
    asked: dict[int, Counter[str]] = {}
    for number in (3, 60):
        project = deploy({"bindings": bindings(number)})
        before = cloud.aws_requests()
        assert checked(project)[0] == 0
        asked[number] = cloud.aws_requests() - before

    assert asked[60] == asked[3]
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


# EKS Pod Identity


@pytest.fixture(scope="module")
def theirs(cloud: Any) -> str:
    """The role of somebody else, which trusts EKS Pod Identity."""
    return create_role(cloud.aws("iam"), "theirs", PODS)


def using_pods(name: str, namespace: str = "default", **more: Any) -> dict[str, Any]:
    app = {"serviceAccount": {"name": name, "namespace": namespace}, "role": {"name": name}, "identity": "podIdentity"}
    reads = {"policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]}
    return {"bindings": {"app": {**app, **reads, **more}}}


def test_an_association_that_exists(deploy: Callable[..., Project], cloud: Any, theirs: str) -> None:
    there = {"clusterName": CLUSTER, "namespace": "default", "serviceAccount": "taken", "roleArn": theirs}
    eks = cloud.aws("eks")
    found = eks.create_pod_identity_association(**there)["association"]["associationId"]
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
    eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=found)


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


def test_a_chained_role_without_tags(deploy: Callable[..., Project], cloud: Any) -> None:
    arn = create_role(cloud.aws("iam"), "chained", assumable("111122223333"))
    code, report = checked(deploy(using_pods("chaining", assumeRoleArns=[arn])))

    assert (code, rules(report)) == (1, [("tag-session-missing", "bindings.app.assumeRoleArns[0]")])
