import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import follow, irsa, not_good, report
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_check_live import checked, rules
from tests.sandbox.test_verify import access

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]

BINDING = {"serviceAccount": {"name": "guarded"}, "policyArns": []}
GUARDED = {"guard": "deny", "bindings": {"guarded": BINDING}}


def test_the_documented_rights_deploy_a_guard_and_check_it(
    cloud: Any, deploy: Callable[..., Project], tmp_path: Path
) -> None:
    deploying = access(cloud, tmp_path, "guarding", "kubernetes-deployer.yaml", "kubernetes-deployer-guard.yaml")
    files = ("kubernetes-verify.yaml", "kubernetes-verify-guard.yaml")
    verifying = access(cloud, tmp_path, "verifying-guards", *files)
    without = access(cloud, tmp_path, "verifying-no-guards", files[0])
    # What destroys it after the test has these rights too.
    project = deploy(GUARDED, **deploying)
    project.up()
    code, checks = report(project, "verify", **verifying)

    assert (code, not_good(checks)) == (0, [])
    assert [(check["outcome"], check["found"]) for check in checks if check["binding"] == "irsa:guard"] == [
        ("ok", "mode deny, 1 service account in 1 namespace: as declared"),
    ]
    code, checks = report(project, "verify", **without)
    assert (code, [check["outcome"] for check in not_good(checks)]) == (2, ["no permission"])


def test_somebodys_edit_is_found_and_repaired(cloud: Any, deploy: Callable[..., Project]) -> None:
    project = deploy(GUARDED)
    project.up()
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
        code, checks = report(project, "verify")
        assert (code, len(not_good(checks))) == (1, 3)
        (command,) = {check["fix"] for check in not_good(checks)}
        follow(project, command)
        assert report(project, "verify")[0] == 0


def test_two_teams_with_one_name(deploy: Callable[..., Project]) -> None:
    first = deploy(GUARDED)
    second = deploy({**GUARDED, "bindings": {"other": {**BINDING, "serviceAccount": {"name": "of-the-other"}}}})
    assert rules(checked(second)[1]) == []
    first.up()
    assert rules(checked(first)[1]) == []
    assert rules(checked(second)[1]) == [("guard-exists", "guard")]
    assert 'validatingadmissionpolicies.admissionregistration.k8s.io "irsa-guard-irsa.test-' in second.refused(
        "up", "--yes", "--skip-preview"
    )


def named(cloud: Any, resource: str) -> str:
    """Return the name of the guard's object of a resource; of several the one for identities."""
    answer = cloud.kubectl("get", resource, "-n", "kube-system", "-l", "irsa/guard", "-o", "json")
    names: list[str] = [each["metadata"]["name"] for each in json.loads(answer.stdout)["items"]]
    return next((each for each in names if each.endswith("-identity")), names[0])


def test_check_live_and_inventory_know_it(cloud: Any, deploy: Callable[..., Project]) -> None:
    spec = {"serviceAccountName": "guarded", "containers": [{"name": "app", "image": "app"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": spec}
    project = deploy({"bindings": {"guarded": BINDING}})
    project.up()
    file = project.folder / "bare.json"
    file.write_text(json.dumps(pod))
    assert cloud.kubectl("apply", "-f", str(file)).returncode == 0
    project.set(GUARDED)
    live = irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml")
    project.up()
    rows = json.loads(irsa(project, "inventory", "--json").stdout)["serviceAccounts"]
    cloud.kubectl("delete", "pod", "bare", "--grace-period=0", "--force")

    assert live.returncode == 0
    assert "[guard-refuses]" in live.stdout
    assert "default/bare; the guard refuses" in live.stdout
    assert {row["guard"] for row in rows if row["name"] == "guarded"} == {"deny"}
    assert {row["guard"] for row in rows if row["name"] == "default"} == {""}
    # Its own guard is no other's.
    assert "[guarded-twice]" not in irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml").stdout
