"""`irsa check --live` against the sandbox: what it finds is what `pulumi up` refuses, and it asks little."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import irsa
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
    """Protects large stacks, whose AWS account would throttle: reads are lists, never one per binding."""
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
    """Protects least privilege: docs/permissions/kubernetes-check-live.yaml leaves nothing unchecked."""
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
    """A stack that was good before it was deployed."""
    project = Project(cloud, tmp_path_factory.mktemp("check-live") / "project", {"bindings": bindings(1)})
    code, report = checked(project)
    assert (code, report) == (0, {**report, "good": True, "errors": [], "notChecked": []})
    project.up()
    yield project
    project.destroy()


def test_a_good_stack_has_no_findings_before_and_after(deployed: Project, deploy: Callable[..., Project]) -> None:
    """Protects every deployment: what is not in the way is not reported, nor what this stack created itself."""
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
    """Protects running Pods: create: true to false deletes the service account; the way that is told keeps it."""
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
