"""Something else happens meanwhile: another `up`, a change by hand, a service account recreated, a namespace that ends.

In tests/sandbox: two stacks that claim one role or one service account (test_ownership.py, test_check_live.py,
test_conflicts.py), and a cluster that is rebuilt (test_broken_links.py).
"""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from lightkube.resources.core_v1 import Namespace

from tests.sandbox.conftest import Cloud
from tests.sandbox.failing_api import Question, failing_aws
from tests.sandbox.irsa_command import ROLE_ARN, follow, irsa, not_good, report
from tests.sandbox.project import STACK, Project

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

Deploy = Callable[..., Project]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
HELD_WITHIN = 300.0


def one(name: str, **service_account: Any) -> dict[str, Any]:
    """Return the settings of one binding."""
    return {
        "bindings": {
            name: {"serviceAccount": {"name": name, **service_account}, "role": {"name": name}, "policyArns": [SQS]}
        }
    }


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
    project.variables.pop("AWS_ENDPOINT_URL")

    assert "the stack is currently locked by 1 lock(s)" in refusal
    assert "Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`" in refusal
    assert report(project, "verify")[0] == 0
    assert project.up("--refresh") == {}


def test_a_name_that_is_taken_between_preview_and_up(cloud: Cloud, deploy: Deploy) -> None:
    project, iam = deploy(one("between")), cloud.aws("iam")
    project.pulumi("preview")
    iam.create_role(RoleName="between", AssumeRolePolicyDocument=TRUST, Description="by hand")
    refusal = project.refused("up", "--yes", "--skip-preview")
    checked = json.loads(irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml", "--json").stdout)["files"][0]
    by_hand = iam.get_role(RoleName="between")["Role"]
    iam.delete_role(RoleName="between")

    assert "Role with name between already exists" in refusal
    assert [mistake["rule"] for mistake in checked["errors"]] == ["role-exists"]
    assert by_hand["Description"] == "by hand"
    project.up()
    assert report(project, "verify")[0] == 0


@pytest.mark.long
def test_a_change_by_hand_between_preview_and_up(cloud: Cloud, deploy: Deploy) -> None:
    project, iam = deploy(one("drifting")), cloud.aws("iam")
    project.up()
    changed = one("drifting")
    changed["bindings"]["drifting"]["role"]["description"] = "changed"
    project.set(changed)
    project.pulumi("preview")
    iam.detach_role_policy(RoleName="drifting", PolicyArn=SQS)
    assert project.up() == {"update": 1}

    code, checks = report(project, "verify")
    (check,) = not_good(checks)
    assert (code, check["check"], check["fix"]) == (1, "policies", f"pulumi up --refresh --stack {STACK}")
    follow(project, check["fix"])
    assert report(project, "verify")[0] == 0


@pytest.mark.long
def test_a_service_account_that_is_recreated_gets_its_annotation_back(cloud: Cloud, deploy: Deploy) -> None:
    cloud.kubectl("create", "serviceaccount", "recreated")
    project = deploy(one("recreated", create=False))
    project.up()
    cloud.kubectl("delete", "serviceaccount", "recreated")
    cloud.kubectl("create", "serviceaccount", "recreated")
    code, checks = report(project, "verify")
    (check,) = not_good(checks)
    assert (code, check["check"]) == (1, "service account")
    follow(project, check["fix"])

    assert report(project, "verify")[0] == report(project, "prove")[0] == 0
    project.destroy()
    left = cloud.kubectl("get", "serviceaccount", "recreated", "-o", "yaml").stdout
    assert ROLE_ARN not in left
    cloud.kubectl("delete", "serviceaccount", "recreated")


@pytest.mark.long
def test_a_namespace_that_ends(cloud: Cloud, deploy: Deploy) -> None:
    project = deploy(one("ending", namespace="ending", createNamespace=True))
    project.up()
    kubernetes = cloud.kubernetes()
    kubernetes.patch(Namespace, "ending", {"metadata": {"finalizers": ["example.com/keep"]}})
    cloud.kubectl("delete", "namespace", "ending", "--wait=false")
    cloud.kubectl("wait", "--for=delete", "serviceaccount/ending", "-n", "ending", "--timeout=60s")
    code, checks = report(project, "verify")
    checked = json.loads(irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml", "--json").stdout)["files"][0]
    refusal = project.refused("up", "--refresh", "--yes", "--skip-preview")
    kubernetes.patch(Namespace, "ending", {"metadata": {"finalizers": None}})
    cloud.kubectl("wait", "--for=delete", "namespace/ending", "--timeout=60s")

    assert (code, [check["check"] for check in not_good(checks)]) == (1, ["service account"])
    assert [mistake["rule"] for mistake in checked["errors"]] == ["namespace-missing"]
    assert "because it is being terminated" in refusal
    project.up("--refresh")
    assert report(project, "verify")[0] == report(project, "prove")[0] == 0
