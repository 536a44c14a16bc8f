from collections.abc import Callable
from typing import Any

import pytest

from sandbox.pod_identity_webhook import injected
from tests.sandbox.admission import PODS, ApiServer, eventually
from tests.sandbox.project import Project

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

    both = {**OTHER, "identity": "both", "role": {"name": "guarded-other"}}
    project.set({"guard": "deny", "bindings": {"app": APP, "other": both}})
    # What the guard knows, without a moment in which it knows nothing, and the binding, whose mode is another.
    assert project.up()["replace"] == 2
    assert project.up() == {}
    for name, ways in (("guarded-app", "IRSA"), ("guarded-other", "IRSA or EKS Pod Identity")):
        answer = eventually(lambda name=name: bare(name), lambda each: bool(each.refusal))  # type: ignore[misc]
        role = project.outputs()["bindings"][name.removeprefix("guarded-")]["roleArn"]
        assert f"its Pods must get {role} by {ways}" in str(answer.refusal)
        right = injected(pod(name), {"eks.amazonaws.com/role-arn": role}, has_association=name == "guarded-other")
        assert server.create(PODS, right, "default").refusal is None

    # It comes last and goes first.
    [known] = project.resources("ConfigMap").values()
    carriers = [*project.resources("ServiceAccount").values(), *project.resources("PodIdentityAssociation").values()]
    assert len(carriers) == 3
    assert {each["urn"] for each in carriers} <= {*known["dependencies"]}
    project.set({"bindings": {"app": APP}})
    happened = project.events("up", "--yes", "--skip-preview")
    gone = [each["type"].rpartition(":")[2] for each in happened if each["op"] == "delete"]
    first = [gone.index(kind) for kind in ("ValidatingAdmissionPolicyBinding", "ConfigMap")]
    assert max(first) < gone.index("ServiceAccount")
    eventually(bare, lambda each: each.refusal is None and not each.warnings)
    for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings", "configmaps -n kube-system"):
        assert "irsa-guard" not in cloud.kubectl("get", *plural.split(), "-o", "name").stdout
