"""`irsa check --live` against the sandbox: it asks little, with few rights; test_conflicts.py has what it finds."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conflicts import roles_only
from tests.sandbox.irsa_command import PROVIDER, checked, follow
from tests.sandbox.live import allowing, create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_verify import access
from tests.world import PODS

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

FILE = f"Pulumi.{STACK}.yaml"


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


def test_an_association_that_exists(deploy: Callable[..., Project], cloud: Any) -> None:
    def using_pods(**more: Any) -> dict[str, Any]:
        app = {"serviceAccount": {"name": "taken"}, "role": {"name": "taken"}, "policyArns": []}
        return {"bindings": {"app": {**app, "identity": "podIdentity", **more}}}

    theirs = create_role(cloud.aws("iam"), "theirs", PODS)
    there = {"clusterName": CLUSTER, "namespace": "default", "serviceAccount": "taken", "roleArn": theirs}
    eks = cloud.aws("eks")
    found = eks.create_pod_identity_association(**there)["association"]["associationId"]
    project = deploy(using_pods())
    code, report = checked(project)

    assert (code, rules(report)) == (1, [("association-exists", "bindings.app.identity")])
    assert (
        report["errors"][0]["fix"]
        == f"adopt it, and its Pods get this role: podIdentity: {{importIds: {{cluster: {found}}}}}"
    )
    assert "ResourceInUseException" in project.run("up", "--yes").stdout
    project.set(using_pods(podIdentity={"importIds": {"cluster": found}}))
    assert checked(project)[0] == 0
    eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=found)


def test_an_audience_that_the_provider_lacks(deploy: Callable[..., Project], iam: Any) -> None:
    project = deploy({"bindings": {"app": {**roles_only("lacking"), "audience": "advice"}}})
    (error,) = checked(project)[1]["errors"]
    assert error["rule"] == "audience-missing"
    follow(project, error["fix"].partition("add it: ")[2])
    assert checked(project)[0] == 0
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="advice")
