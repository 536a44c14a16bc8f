from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.pod_identity_webhook import injected
from tests.sandbox.admission import PODS, ApiServer, eventually
from tests.sandbox.irsa_command import PROVIDER
from tests.sandbox.project import STACK, Project, Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]

Deploy = Callable[..., Project]
APP = {"serviceAccount": {"name": "guarded-app"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
OTHER = {**APP, "serviceAccount": {"name": "guarded-other"}}


def pod(name: str) -> dict[str, Any]:
    spec = {"serviceAccountName": name, "containers": [{"name": "app", "image": "app"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-"}, "spec": spec}


def test_on_stricter_and_off(deploy: Deploy, cloud: Any) -> None:
    server = ApiServer(cloud)

    def bare(name: str = "guarded-app") -> Any:
        return server.create(PODS, pod(name), "default")

    project = deploy({"guard": "warn", "bindings": {"app": APP}})
    project.up()
    answer = eventually(bare, lambda each: bool(each.warnings))
    assert answer.refusal is None
    assert "default/guarded-app has no AWS identity" in answer.warnings[0]

    project.set({"guard": "deny", "bindings": {"app": APP, "other": OTHER}})
    # What the guard knows, without a moment in which it knows nothing, and the binding, whose mode is another.
    assert project.up()["replace"] == 2
    assert project.up() == {}
    for name in ("guarded-app", "guarded-other"):
        answer = eventually(lambda name=name: bare(name), lambda each: bool(each.refusal))  # type: ignore[misc]
        role = project.outputs()["bindings"][name.removeprefix("guarded-")]["roleArn"]
        assert f"its Pods must get {role} by IRSA" in str(answer.refusal)
        right = injected(pod(name), {"eks.amazonaws.com/role-arn": role}, has_association=False)
        assert server.create(PODS, right, "default").refusal is None

    project.set({"bindings": {"app": APP}})
    assert project.up() == {"delete": 10}
    eventually(bare, lambda each: each.refusal is None and not each.warnings)
    for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings", "configmaps -n kube-system"):
        assert "irsa-guard" not in cloud.kubectl("get", *plural.split(), "-o", "name").stdout


def test_the_guard_comes_last_and_goes_first(deploy: Deploy) -> None:
    both = {**OTHER, "identity": "both", "role": {"name": "guarded-other"}}
    project = deploy({"guard": "deny", "bindings": {"app": APP, "other": both}})
    project.up()
    [known] = project.resources("ConfigMap").values()
    carriers = [*project.resources("ServiceAccount").values(), *project.resources("PodIdentityAssociation").values()]
    assert len(carriers) == 3
    assert {each["urn"] for each in carriers} <= {*known["dependencies"]}
    gone = [each["urn"] for each in project.events("destroy", "--yes", "--skip-preview") if each["op"] == "delete"]
    kinds = [urn.split("::")[2].rsplit(":", 1)[-1] for urn in gone]
    assert kinds.index("ValidatingAdmissionPolicyBinding") < kinds.index("ServiceAccount")
    assert kinds.index("ConfigMap") < kinds.index("ServiceAccount")


PROGRAM = f"""
import pulumi_kubernetes as kubernetes
from irsa import IdentityGuard, ServiceAccountRole

namespace = kubernetes.core.v1.Namespace("guarded")
role = ServiceAccountRole("app", {{
    "service_account": {{"name": "own-app", "namespace": namespace.metadata.name}},
    "oidc_provider_arns": ["{PROVIDER}"],
}})
IdentityGuard("guard", {{
    "mode": "deny",
    "stack": "own-program",
    "service_accounts": [
        {{"name": role.service_account_name, "namespace": role.namespace, "role_arn": role.role_arn}},
    ],
}})
"""


def test_a_guard_in_a_program_of_ones_own(cloud: Any, tmp_path: Path) -> None:
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "somebody", "runtime": runtime}))
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2"}}))
    (tmp_path / "__main__.py").write_text(PROGRAM)
    stack = Stack(cloud, tmp_path)
    try:
        stack.up()
        assert stack.up() == {}
        [namespace] = [each["outputs"]["metadata"]["name"] for each in stack.resources("Namespace").values()]
        answer = eventually(
            lambda: ApiServer(cloud).create(PODS, pod("own-app"), namespace), lambda each: bool(each.refusal)
        )
        assert f"{namespace}/own-app has no AWS identity" in str(answer.refusal)
    finally:
        stack.clean_up()
