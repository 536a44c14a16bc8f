import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ACCOUNT, irsa, not_good, report
from tests.sandbox.project import ROOT, Project

pytestmark = pytest.mark.sandbox

PERMISSIONS = ROOT / "docs" / "permissions"
BINDING = {
    "serviceAccount": {"name": "verified"},
    "role": {"name": "verified-role"},
    "policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/verified-role"


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    deployed = Project(cloud, tmp_path_factory.mktemp("verify") / "project", {"bindings": {"verified": BINDING}})
    deployed.up()
    yield deployed
    deployed.destroy()


def access(cloud: Any, folder: Path, name: str, *role_files: str, namespace: str | None = None) -> dict[str, str]:
    """Bind roles of the documentation to a new service account, and give the variables that act as it."""
    answer = cloud.kubectl("create", "serviceaccount", name, "-n", "kube-system")
    assert answer.returncode == 0, answer.stderr
    for role_file in role_files:
        grant(cloud, name, role_file, namespace)
    token = cloud.kubectl("create", "token", name, "-n", "kube-system").stdout.strip()
    kubeconfig = json.loads((cloud.folder / "kubeconfig").read_text())
    kubeconfig["users"][0]["user"] = {"token": token}
    file = folder / f"{name}.kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    return {"KUBECONFIG": str(file)}


def grant(cloud: Any, name: str, role_file: str, namespace: str | None = None) -> None:
    commands: list[tuple[str, ...]] = [("apply", "-f", str(PERMISSIONS / role_file))]
    for role in yaml.safe_load_all((PERMISSIONS / role_file).read_text()):
        metadata = role["metadata"]
        where = namespace or metadata.get("namespace")
        binding = ("rolebinding", "-n", where) if where else ("clusterrolebinding",)
        to = (f"--{role['kind'].lower()}={metadata['name']}", f"--serviceaccount=kube-system:{name}")
        commands.append(("create", *binding, f"{name}-{metadata['name']}", *to))
    for command in commands:
        answer = cloud.kubectl(*command)
        assert answer.returncode == 0, answer.stderr


def test_the_documented_rights_are_enough(project: Project, cloud: Any, tmp_path: Path) -> None:
    verifying = access(cloud, tmp_path, "verifying", "kubernetes-verify.yaml")
    proving = access(cloud, tmp_path, "proving", "kubernetes-prove.yaml")

    assert report(project, "verify", "--pods", **verifying)[0] == 0
    assert report(project, "prove", **proving)[0] == 0
    code, checks = report(project, "prove", **verifying)
    assert code == 3
    assert r"cannot create resource \"serviceaccounts/token\"" in not_good(checks)[0]["found"]


def test_a_kubeconfig_is_read_as_kubectl_reads_it(project: Project, cloud: Any, tmp_path: Path) -> None:
    variables = access(cloud, tmp_path, "as-kubectl", "kubernetes-verify.yaml")
    kubeconfig = json.loads(Path(variables["KUBECONFIG"]).read_text())
    token = kubeconfig["users"][0]["user"]["token"]
    (tmp_path / "token").write_text(f"{token}\n")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'status': {'token': token}})}'\n")
    program.chmod(0o700)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./program", "interactiveMode": "Never"}
    answers = []
    for user, server_name in (
        ({"tokenFile": "token"}, "kubernetes.default.svc"),
        ({"exec": run}, "kubernetes.default.svc"),
        ({"exec": run}, "other.example.com"),
    ):
        kubeconfig["users"][0]["user"] = user
        kubeconfig["clusters"][0]["cluster"]["tls-server-name"] = server_name
        Path(variables["KUBECONFIG"]).write_text(json.dumps(kubeconfig))
        answers.append(irsa(project, "explain", "default:verified", ROLE, **variables))

    assert [answer.returncode for answer in answers] == [0, 0, 3], [answer.stderr for answer in answers]
    assert "other.example.com" in answers[2].stderr
