from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.live import attached
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]


def test_what_other_tools_leave_broken_or_take_away(deploy: Deploy, cloud: Any) -> None:
    """Guards against defects of eksctl.

    - #2901 and #4981: a failed creation leaves debris on which every retry fails.
    - the tag map rebuilt inside the loop, so that only the last tag survives.
    - #6625 and #5874: an update that detaches policies which it did not attach.
    """
    iam = cloud.aws("iam")
    tags = {f"tag-{index}": str(index) for index in range(20)}
    sqs, sns, foreign = (f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "SNS", "S3"))
    retried = {
        "serviceAccount": {"name": "app", "namespace": "later"},
        "role": {"name": "retry-role"},
        "policy": {"name": "retry-policy", "file": "policies/my-policy.json"},
    }
    of_team = {
        "role": {"name": "foreign-role", "forceDetachPolicies": True},
        "trust": {"subjects": ["team-a:worker"]},
        "policyArns": [sqs],
    }
    settings = {"defaults": {"tags": tags}, "bindings": {"retried": retried, "attached": of_team}}
    stack = deploy(settings)
    assert 'namespaces "later" not found' in stack.refused("up", "--yes", "--skip-preview", "--continue-on-error")

    assert cloud.kubectl("create", "namespace", "later").returncode == 0
    assert stack.up() == {"create": 1}
    assert cloud.kubectl("get", "sa", "app", "-n", "later").returncode == 0
    assert {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName="foreign-role")["Tags"]} == tags

    iam.attach_role_policy(RoleName="foreign-role", PolicyArn=foreign)
    stack.set({**settings, "bindings": {"retried": retried, "attached": {**of_team, "policyArns": [sns]}}})
    stack.up("--refresh")
    assert attached(iam, "foreign-role") == {foreign, sns}
    assert stack.up() == {}


def test_a_namespace_of_an_earlier_version_stays(deploy: Callable[..., Project], cloud: Any) -> None:
    """Protects all that is in it: a state whose namespace was to be deleted with the stack shows 0 changes.

    An alias of another type: https://www.pulumi.com/docs/iac/concepts/resources/options/aliases/
    """
    account = {"name": "kept", "namespace": "earlier", "createNamespace": True}
    stack = deploy({"bindings": {"kept": {"serviceAccount": account, "policyArns": []}}})
    stack.up()
    state = stack.folder / "state.json"
    stack.pulumi("stack", "export", "--file", str(state))
    state.write_text(state.read_text().replace("core/v1:NamespacePatch", "core/v1:Namespace"))
    stack.pulumi("stack", "import", "--file", str(state))
    assert len(stack.resources("Namespace")) == 1

    assert stack.up() == {}
    assert len(stack.resources("NamespacePatch")) == 1
    stack.destroy()
    assert cloud.kubectl("get", "namespace", "earlier").returncode == 0
