"""A guard of one stack, deployed and checked with the documented rights: what each subcommand says of it.

The tests of this file are one story and run in their order.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.sandbox.irsa_command import follow, irsa, not_good, report
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_check_live import checked, rules
from tests.sandbox.test_guard import pod
from tests.sandbox.test_verify import access

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]

BINDING = {"serviceAccount": {"name": "guarded"}, "policyArns": []}
GUARDED = {"guard": "deny", "bindings": {"guarded": BINDING}}


class Guarded(NamedTuple):
    """A stack with a guard, and what `irsa check --live` said before it had one, of a Pod without an identity."""

    project: Project
    before: Any


@pytest.fixture(scope="module")
def guarded(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    deploying = access(cloud, folder, "guarding", "kubernetes-deployer.yaml", "kubernetes-deployer-guard.yaml")
    project = Project(cloud, folder / "project", {"bindings": {"guarded": BINDING}}, variables=deploying)
    project.up()
    file = project.folder / "bare.json"
    file.write_text(json.dumps({**pod("guarded"), "metadata": {"name": "bare"}}))
    assert cloud.kubectl("apply", "-f", str(file)).returncode == 0
    project.set(GUARDED)
    before = irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml", KUBECONFIG=cloud.environment()["KUBECONFIG"])
    project.up()
    cloud.kubectl("delete", "pod", "bare", "--grace-period=0", "--force")
    yield Guarded(project, before)
    project.destroy()


def named(cloud: Any, resource: str) -> str:
    """Return the name of the guard's object of a resource; of several the one for identities."""
    answer = cloud.kubectl("get", resource, "-n", "kube-system", "-l", "irsa/guard", "-o", "json")
    names: list[str] = [each["metadata"]["name"] for each in json.loads(answer.stdout)["items"]]
    return next((each for each in names if each.endswith("-identity")), names[0])


def test_the_documented_rights_verify_it(cloud: Any, guarded: Guarded, tmp_path: Any) -> None:
    files = ("kubernetes-verify.yaml", "kubernetes-verify-guard.yaml")
    verifying = access(cloud, tmp_path, "verifying-guards", *files)
    without = access(cloud, tmp_path, "verifying-no-guards", files[0])
    code, checks = report(guarded.project, "verify", **verifying)

    assert (code, not_good(checks)) == (0, [])
    assert [(check["outcome"], check["found"]) for check in checks if check["binding"] == "irsa:guard"] == [
        ("ok", "mode deny, 1 service account in 1 namespace: as declared"),
    ]
    code, checks = report(guarded.project, "verify", **without)
    assert (code, [check["outcome"] for check in not_good(checks)]) == (2, ["no permission"])


def test_check_live_and_inventory_know_it(cloud: Any, guarded: Guarded) -> None:
    everything = {"KUBECONFIG": cloud.environment()["KUBECONFIG"]}
    rows = json.loads(irsa(guarded.project, "inventory", "--json", **everything).stdout)["serviceAccounts"]

    assert guarded.before.returncode == 0
    assert "[guard-refuses]" in guarded.before.stdout
    assert "default/bare; the guard refuses" in guarded.before.stdout
    assert {row["guard"] for row in rows if row["name"] == "guarded"} == {"deny"}
    assert {row["guard"] for row in rows if row["name"] == "default"} == {""}


def test_two_teams_with_one_name(cloud: Any, guarded: Guarded, deploy: Callable[..., Project]) -> None:
    second = deploy({**GUARDED, "bindings": {"other": {**BINDING, "serviceAccount": {"name": "of-the-other"}}}})
    # Its own guard is no other's.
    assert rules(checked(guarded.project, KUBECONFIG=cloud.environment()["KUBECONFIG"])[1]) == []
    assert rules(checked(second)[1]) == [("guard-exists", "guard")]
    assert 'validatingadmissionpolicies.admissionregistration.k8s.io "irsa-guard-irsa.test-' in second.refused(
        "up", "--yes", "--skip-preview"
    )


def test_somebodys_edit_is_found_and_repaired(cloud: Any, guarded: Guarded) -> None:
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
        code, checks = report(guarded.project, "verify", **everything)
        assert (code, len(not_good(checks))) == (1, 3)
        (command,) = {check["fix"] for check in not_good(checks)}
        follow(guarded.project, command)
    assert report(guarded.project, "verify", **everything)[0] == 0
