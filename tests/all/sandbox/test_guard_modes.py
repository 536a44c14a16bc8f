import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.output_schemas import check_output
from tests.sandbox.admission import PODS, ApiServer, eventually
from tests.sandbox.irsa_command import PROVIDER, irsa
from tests.sandbox.project import STACK, Program, Project
from tests.sandbox.test_check_live import checked, rules
from tests.sandbox.test_guard import APP, BINDING, OTHER, Deploy, pod

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]


def test_from_mode_to_mode(deploy: Deploy, cloud: Any) -> None:
    """Protects whoever looks before `up`: a preview of a new mode is one, and what `up` then does; also in a namespace.

    The API server takes Warn and Deny as a set, and does not take both:
    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-actions
    """
    system = {**OTHER, "serviceAccount": {"name": "guarded-system", "namespace": "kube-system"}}
    bindings = {"app": APP, "system": system}
    rule = {"mode": "warn", "groups": ["system:masters"]}
    project = deploy({"guard": {"mode": "warn", "annotations": rule}, "bindings": bindings})
    project.up()
    # As an earlier version left it.
    state = json.loads(project.checkpoint.read_text())
    for each in state["checkpoint"]["latest"]["resources"]:
        each.pop("replaceOnChanges", None)
    project.checkpoint.write_text(json.dumps(state))
    assert project.up() == {}

    project.set({"guard": {"mode": "deny", "annotations": {**rule, "mode": "deny"}}, "bindings": bindings})
    shown = check_output("diff", irsa(project, "diff", "--stack", STACK, "--json").stdout)["resources"]
    replaced = {each["name"] for each in shown if each["operation"] == "replace"}
    assert replaced >= {"irsa-guard-irsa.test-identity", "irsa-guard-irsa.test-annotation"}
    project.pulumi("up", "--yes")
    project.set({"guard": {"mode": "warn", "namespaces": {"kube-system": "deny"}}, "bindings": bindings})
    project.pulumi("up", "--yes")
    # The repair that `irsa verify` advises, of what somebody changed.
    name, warns = "irsa-guard-irsa.test-identity-kube-system", '{"spec": {"validationActions": ["Warn"]}}'
    binding = ("validatingadmissionpolicybinding", name)
    assert cloud.kubectl("patch", *binding, "--type=merge", "--patch", warns).returncode == 0
    project.up("--refresh")
    assert '["Deny","Audit"]' in cloud.kubectl("get", *binding, "--output", "jsonpath={.spec}").stdout
    assert project.up() == {}


def test_a_deployer_who_locks_itself_out(deploy: Callable[..., Project]) -> None:
    def settings(*users: str, **bindings: Any) -> dict[str, Any]:
        rule = {"mode": "deny", "users": [*users]}
        return {"guard": {"mode": "deny", "annotations": rule}, "bindings": {"guarded": BINDING, **bindings}}

    later = {**BINDING, "serviceAccount": {"name": "guarded-later"}}
    project = deploy(settings("somebody"))
    _, found = checked(project)
    assert rules(found) == [("guard-locks-out", "guard.annotations")]
    project.up()
    project.set(settings("somebody", later=later))
    assert "must not be annotated" in project.refused("up", "--yes", "--skip-preview")

    user = found["errors"][0]["fix"].removeprefix("add ").removesuffix(" to users")
    project.set(settings(user))
    assert rules(checked(project)[1]) == []
    project.up()
    project.set(settings(user, later=later))
    project.up()


PROGRAM = f"""
import pulumi_kubernetes as kubernetes
from irsa import IdentityGuard, ServiceAccountRole

namespace = kubernetes.core.v1.Namespace("guarded", metadata={{"name": "guarded"}})
role = ServiceAccountRole("app", {{
    "service_account": {{"name": "own-app", "namespace": namespace.metadata.name}},
    "oidc_provider_arns": ["{PROVIDER}"],
}})
IdentityGuard("guard", {{
    "mode": "deny",
    "stack": "own-program",
    "service_accounts": [
        {{"name": "own-app", "namespace": "guarded", "role_arn": role.role_arn}},
    ],
}})
"""


def test_a_guard_in_a_program_of_ones_own(program: Program, cloud: Any) -> None:
    program.write(PROGRAM)
    program.up()
    assert program.up() == {}
    api = ApiServer(cloud)
    answer = eventually(lambda: api.create(PODS, pod("own-app"), "guarded"), lambda each: bool(each.refusal))
    assert "guarded/own-app has no AWS identity" in str(answer.refusal)
