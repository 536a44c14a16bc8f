"""The guard of a stack: switched on and off, and deployed and checked with the documented rights.

The tests of this file are one story and run in their order.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.pod_identity_webhook import injected
from tests.sandbox.admission import PODS, ApiServer, eventually
from tests.sandbox.irsa_command import follow, not_good, report
from tests.sandbox.project import Project
from tests.sandbox.test_verify import access, grant

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]

Deploy = Callable[..., Project]
APP = {"serviceAccount": {"name": "guarded-app"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
OTHER = {**APP, "serviceAccount": {"name": "guarded-other"}}
BINDING = {"serviceAccount": {"name": "guarded"}, "policyArns": []}
NAMESPACED = {"name": "made", "namespace": "deployed", "createNamespace": True}
BINDINGS: dict[str, Any] = {
    "guarded": BINDING,
    "made": {"serviceAccount": NAMESPACED, "policyArns": []},
    "adopted": {"serviceAccount": {"name": "existing-service-account", "create": False}, "policyArns": []},
}
LABELLED = {"serviceAccount": {**NAMESPACED, "labels": {"team": "payments"}}, "policyArns": []}
OF_GUARDS = "kubernetes-deployer-guard.yaml"
GUARDED = {"guard": "deny", "bindings": {**BINDINGS, "made": LABELLED}}


def pod(name: str) -> dict[str, Any]:
    spec = {"serviceAccountName": name, "containers": [{"name": "app", "image": "app"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-"}, "spec": spec}


def test_on_stricter_and_off(deploy: Deploy, cloud: Any, tmp_path: Path) -> None:
    server = ApiServer(cloud)
    switching = access(cloud, tmp_path, "switching", "kubernetes-deployer.yaml", OF_GUARDS)

    def bare(name: str = "guarded-app") -> Any:
        return server.create(PODS, pod(name), "default")

    project = deploy({"guard": "warn", "bindings": {"app": APP}}, **switching)
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


@pytest.fixture(scope="module")
def guarded(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("guarded")
    deploying = access(cloud, folder, "guarding", "kubernetes-deployer.yaml", "kubernetes-deployer-namespaces.yaml")
    project = Project(cloud, folder / "project", {"bindings": BINDINGS}, variables=deploying)
    project.up()
    project.set(GUARDED)
    # Until then, nothing has needed this right.
    grant(cloud, "guarding", OF_GUARDS)
    assert project.up("--refresh")["update"] == 1
    yield project
    project.destroy()


def named(cloud: Any, resource: str) -> str:
    """Return the name of the guard's object of a resource; of several the one for identities."""
    answer = cloud.kubectl("get", resource, "-n", "kube-system", "-l", "irsa/guard", "-o", "json")
    names: list[str] = [each["metadata"]["name"] for each in json.loads(answer.stdout)["items"]]
    return next((each for each in names if each.endswith("-identity")), names[0])


def test_the_documented_rights_verify_it(cloud: Any, guarded: Project, tmp_path: Any) -> None:
    files = ("kubernetes-verify.yaml", "kubernetes-verify-guard.yaml")
    verifying = access(cloud, tmp_path, "verifying-guards", *files)
    without = access(cloud, tmp_path, "verifying-no-guards", files[0])
    code, checks = report(guarded, "verify", **verifying)

    assert (code, not_good(checks)) == (0, [])
    assert [(check["outcome"], check["found"]) for check in checks if check["binding"] == "irsa:guard"] == [
        ("ok", "mode deny, 3 service accounts in 2 namespaces: as declared"),
    ]
    code, checks = report(guarded, "verify", **without)
    assert (code, [check["outcome"] for check in not_good(checks)]) == (3, ["no permission"])


def test_two_teams_with_one_name(cloud: Any, guarded: Project, deploy: Deploy) -> None:
    second = deploy({**GUARDED, "bindings": {"other": {**BINDING, "serviceAccount": {"name": "of-the-other"}}}})
    assert "irsa-guard-irsa.test-" in second.refused("up", "--yes", "--skip-preview")


def test_somebodys_edit_is_found_and_repaired(cloud: Any, guarded: Project) -> None:
    everything = {"KUBECONFIG": cloud.environment()["KUBECONFIG"]}
    policy = f"validatingadmissionpolicy/{named(cloud, 'validatingadmissionpolicies')}"
    binding = f"validatingadmissionpolicybinding/{named(cloud, 'validatingadmissionpolicybindings')}"
    patches = {
        policy: [{"op": "replace", "path": "/spec/validations/0/expression", "value": "true"}],
        binding: [{"op": "replace", "path": "/spec/validationActions", "value": ["Audit"]}],
    }
    of_config_map = [{"op": "add", "path": "/data/default.guarded", "value": "irsa - arn:x"}]
    # From the second time on, the preview of an update takes nothing over.
    for _ in range(2):
        of_all = {**patches, f"configmap/{named(cloud, 'configmaps')}": of_config_map}
        for name, patch in of_all.items():
            answer = cloud.kubectl("patch", name, "-n", "kube-system", "--type=json", "-p", json.dumps(patch))
            assert answer.returncode == 0, answer.stderr
        code, checks = report(guarded, "verify", **everything)
        assert (code, len(not_good(checks))) == (1, 3)
        (command,) = {check["fix"] for check in not_good(checks)}
        follow(guarded, command)
    assert report(guarded, "verify", **everything)[0] == 0
