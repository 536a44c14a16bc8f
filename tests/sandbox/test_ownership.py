"""Whose annotation it is: an existing service account, two stacks, and somebody with kubectl.

The conflicts are the API server's: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from irsa.rules.names import snake
from tests.sandbox.cloud import Cloud
from tests.sandbox.irsa_command import PROVIDER, ROLE_ARN, checked, irsa
from tests.sandbox.live import service_account
from tests.sandbox.project import STACK, Program, Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
FORCE = "pulumi.com/patchForce"
CONFLICT = "server-side apply field conflict detected"
ONE, TWO = (f"arn:aws:iam::444455556666:role/{name}" for name in ("one", "two"))


def annotating(role_arn: str, **service_account: Any) -> dict[str, Any]:
    """Return a binding of an existing service account; its key is the name."""
    return {"serviceAccount": {"create": False, **service_account}, "role": {"arn": role_arn}}


def bindings(**settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "bindings": {
            key: {**binding, "serviceAccount": {"name": key, **binding["serviceAccount"]}}
            for key, binding in settings.items()
        }
    }


class ServiceAccounts:
    def __init__(self, cloud: Cloud, *names: str) -> None:
        self.cloud = cloud
        # With the official plugin of January 2026, the stack of the test before has created them again.
        if names:
            self.kubectl("delete", "serviceaccount", *names, "--ignore-not-found")
        for name in names:
            self.cloud.kubernetes().create(ServiceAccount(metadata=ObjectMeta(name=name)))

    def kubectl(self, *arguments: str) -> None:
        answer = self.cloud.kubectl(*arguments)
        assert answer.returncode == 0, answer.stderr

    def overwrite(self, role_arn: str, *names: str) -> None:
        self.kubectl("annotate", "--overwrite", "serviceaccount", *names, f"{ROLE_ARN}={role_arn}")

    def annotations(self, name: str) -> dict[str, str]:
        return dict(service_account(self.cloud, name)["metadata"].get("annotations", {}))

    def owners(self, name: str) -> list[str]:
        managed = service_account(self.cloud, name, "default", "--show-managed-fields")["metadata"]["managedFields"]
        return sorted(each["manager"] for each in managed if f"f:{ROLE_ARN}" in str(each["fieldsV1"]))


def manager_of(stack: Project, name: str) -> str:
    patches = stack.resources("ServiceAccountPatch").values()
    (patch,) = (each for each in patches if each["outputs"]["metadata"]["name"] == name)
    return str(patch["outputs"]["__fieldManager"])


def warned(said: str) -> set[str]:
    """Return the warnings of what pulumi said, but the engine's that the plugin of January 2026 is an older one."""
    return set(re.findall(r"^ *warning: (?!resource plugin kubernetes is expected)(.*)$", said, re.MULTILINE))


def test_two_stacks_annotate_one_service_account(cloud: Cloud, deploy: Deploy) -> None:
    accounts = ServiceAccounts(cloud, "claimed", "agreed", "taken")
    of_first = {"claimed": annotating(ONE), "agreed": annotating(ONE)}
    taken = bindings(taken=annotating(TWO, takeOver=True))
    first = deploy(bindings(**of_first, taken=annotating(ONE)))
    first.up()
    second = deploy(bindings(claimed=annotating(TWO), agreed=annotating(ONE), taken=annotating(TWO, takeOver=True)))
    warning = (
        f"service account default/claimed has {ROLE_ARN}: {ONE}, written by {manager_of(first, 'claimed')}; if that is "
        "another stack or component, Kubernetes refuses to overwrite it, unless serviceAccount.takeOver is true"
    )
    refusal = second.refused("up", "--yes", "--skip-preview", "--continue-on-error")
    assert CONFLICT in refusal.lower()
    conflicts = set(re.findall(r'conflict with (".+?": \.metadata\.annotations\.\S+)', refusal))
    assert conflicts == {f'"{manager_of(first, "claimed")}": .metadata.annotations.{ROLE_ARN}'}
    assert warned(refusal) == {warning}
    assert accounts.annotations("claimed") == {ROLE_ARN: ONE}
    assert accounts.owners("agreed") == sorted([manager_of(first, "agreed"), manager_of(second, "agreed")])
    assert accounts.annotations("taken") == {ROLE_ARN: TWO, FORCE: "true"}
    assert accounts.owners("taken") == [manager_of(second, "taken")]

    second.set(taken)
    second.up()
    assert accounts.annotations("agreed") == {ROLE_ARN: ONE}
    refusal = first.refused("up", "--refresh", "--yes", "--skip-preview")
    assert f'conflict with "{manager_of(second, "taken")}": .metadata.annotations.{ROLE_ARN}' in refusal
    first.set(bindings(**of_first))
    first.up()
    assert accounts.annotations("taken") == {ROLE_ARN: TWO, FORCE: "true"}
    assert first.up("--refresh") == {}
    for stack in (first, second):
        stack.destroy()
    assert [accounts.annotations(name) for name in ("claimed", "agreed", "taken")] == [{}, {}, {}]


PROGRAM = """
import irsa
where = {{"irsa": {{"oidc_provider_arns": ["{provider}"]}}, "podIdentity": {{"cluster_arns": {{"a": "{cluster}"}}}}}}
for identity in ("irsa", "podIdentity"):
    account = {{"namespace": "default", "name": f"program-{{identity}}".lower(), **{more}}}
    args = {{"identity": identity, "service_account": account}}
    irsa.ServiceAccountRole(identity, {{**args, **where[identity]}})
"""
CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster"
SETTINGS = {"labels": {"team": "a"}, "imagePullSecrets": ["registry"], "automountServiceAccountToken": False}
WRITTEN = {"owner": "a", "gone": "b"}
READS = {"policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]}
WAYS = ("irsa", "podIdentity")
OF_FILE, OF_PROGRAM = ([f"{door}-{way}".lower() for way in WAYS] for door in ("file", "program"))


def of_file(annotations: dict[str, str], **settings: Any) -> dict[str, Any]:
    """Return a binding of each way; that of EKS Pod Identity has no annotations, unless it has those of the other."""
    accounts = [{"annotations": annotations, **settings}, {"annotations": {}, **settings}]
    each = zip(OF_FILE, WAYS, accounts, strict=True)
    return {
        "bindings": {key: {**READS, "identity": way, "serviceAccount": {"name": key, **has}} for key, way, has in each}
    }


def test_a_service_account_stays_when_it_is_not_created_any_more(cloud: Cloud, deploy: Deploy, tmp_path: Path) -> None:
    """The attack: `create: false` annotated the service account, deleted it, and Pods had none."""

    def rules() -> list[str]:
        _, file = checked(project)
        return [each["rule"] for each in (*file["errors"], *file["warnings"])]

    in_python = {snake(key): value for key, value in SETTINGS.items()}
    text, names = PROGRAM.replace("{provider}", PROVIDER).replace("{cluster}", CLUSTER), [*OF_FILE, *OF_PROGRAM]
    program = Program(cloud, tmp_path / "program", text.format(more=in_python))
    project = deploy(of_file(WRITTEN, **SETTINGS))
    project.up()
    program.up()
    before = [service_account(cloud, name) for name in names]
    project.set(of_file(WRITTEN, create=False))
    program.write(text.format(more={"create": False}))
    assert rules() == []
    assert "+" not in irsa(project, "diff", "--stack", STACK).stdout
    for stack in (project, program):
        assert stack.up() == {}
    after = [service_account(cloud, name) for name in names]
    kept = ("imagePullSecrets", "automountServiceAccountToken")
    for was, has in zip(before, after, strict=True):
        assert [has[each] for each in kept] == [was[each] for each in kept]
        assert all(has["metadata"].get(each) == was["metadata"].get(each) for each in ("uid", "labels", "annotations"))
    program.destroy()

    accounts = ServiceAccounts(cloud)
    project.set(of_file({"owner": "a", "new": "c"}, create=False))
    assert rules() == []
    assert project.up() == {"update": 1}
    # What the creation wrote is not the patch's to remove, or to change without takeOver.
    assert accounts.annotations(OF_FILE[0]).items() >= {**WRITTEN, "new": "c"}.items()
    project.set(of_file({"owner": "d"}, create=False))
    assert rules() == ["service-account-taken"]
    assert 'conflict with "pulumi-kubernetes"' in project.refused("up", "--yes", "--skip-preview")
    project.set(of_file({"owner": "d"}, create=False, takeOver=True))
    assert (rules(), project.up()) == ([], {"update": 1})
    assert accounts.annotations(OF_FILE[0])["owner"] == "d"
    project.destroy()
    accounts.kubectl("delete", "serviceaccount", *names)
