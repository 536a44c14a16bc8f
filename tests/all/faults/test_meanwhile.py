"""Something else happens meanwhile: another `up`, a name that is taken, a namespace that ends."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from lightkube.resources.core_v1 import Namespace

from tests.sandbox.conftest import Cloud
from tests.sandbox.failing_api import Question, failing_aws
from tests.sandbox.irsa_command import not_good, report
from tests.sandbox.live import PODS, create_role
from tests.sandbox.project import Project
from tests.sandbox.test_check_live import checked, rules

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

Deploy = Callable[..., Project]
HELD_WITHIN = 300.0


def one(name: str, **account: Any) -> dict[str, Any]:
    """Return the settings of one binding."""
    binding = {"serviceAccount": {"name": name, **account}, "role": {"name": name}, "policyArns": []}
    return {"bindings": {name: binding}}


def test_two_ups_at_once(cloud: Cloud, deploy: Deploy) -> None:
    project = deploy(one("at-once"))
    creating, go_on = threading.Event(), threading.Event()

    def hold(question: Question) -> None:
        if question.action == "CreateRole":
            creating.set()
            go_on.wait(HELD_WITHIN)

    with failing_aws({}, cloud.aws_address, hold) as address:
        project.variables["AWS_ENDPOINT_URL"] = address
        first = threading.Thread(target=project.up)
        first.start()
        try:
            assert creating.wait(HELD_WITHIN)
            refusal = project.refused("up", "--yes", "--skip-preview")
        finally:
            go_on.set()
            first.join()
    del project.variables["AWS_ENDPOINT_URL"]

    assert "the stack is currently locked by 1 lock(s)" in refusal
    assert report(project, "verify")[0] == 0


def test_a_name_that_is_taken_between_preview_and_up(cloud: Cloud, deploy: Deploy) -> None:
    """Protects somebody's role: what was made by hand after the preview is refused, named, and stays as it is."""
    project, iam = deploy(one("between")), cloud.aws("iam")
    project.pulumi("preview")
    create_role(iam, "between", PODS, Description="by hand")
    refusal = project.refused("up", "--yes", "--skip-preview")
    assert "Role with name between already exists" in refusal
    assert rules(checked(project)[1]) == [("role-exists", "bindings.between.role.name")]
    assert iam.get_role(RoleName="between")["Role"]["Description"] == "by hand"

    iam.delete_role(RoleName="between")
    project.up()
    assert report(project, "verify")[0] == 0


def test_a_namespace_that_ends(cloud: Cloud, deploy: Deploy) -> None:
    project, kubernetes = deploy(one("ending", namespace="ends", createNamespace=True)), cloud.kubernetes()
    project.up()
    kubernetes.patch(Namespace, "ends", {"metadata": {"finalizers": ["example.com/keep"]}})
    cloud.kubectl("delete", "namespace", "ends", "--wait=false")
    cloud.kubectl("wait", "--for=delete", "serviceaccount/ending", "-n", "ends", "--timeout=60s")
    code, checks = report(project, "verify")
    assert (code, [check["check"] for check in not_good(checks)]) == (1, ["service account"])
    assert "because it is being terminated" in project.refused("up", "--refresh", "--yes", "--skip-preview")

    kubernetes.patch(Namespace, "ends", {"metadata": {"finalizers": None}})
    cloud.kubectl("wait", "--for=delete", "namespace/ends", "--timeout=60s")
    project.up("--refresh")
    assert report(project, "verify")[0] == report(project, "prove")[0] == 0
