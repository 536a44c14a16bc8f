import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.verify.kinds import ASSOCIATION, CHECKS, GUARD, ISSUER, PODS, STAGE
from tests.sandbox.irsa_command import ACCOUNT, irsa, not_good, report
from tests.sandbox.project import ROOT, STACK, Project

pytestmark = pytest.mark.sandbox

PERMISSIONS = ROOT / "docs" / "permissions"
OPTIONAL = (ASSOCIATION, PODS, STAGE, ISSUER, GUARD)
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


def test_a_stack_with_irsa_alone_has_no_column_more(project: Project) -> None:
    _, _, headings, *_ = irsa(project, "verify").stdout.splitlines()
    assert re.split(" {2,}", headings) == ["binding", *(name for name in CHECKS if name not in OPTIONAL)]


def test_the_documented_rights_are_enough(project: Project, cloud: Any, tmp_path: Path) -> None:
    verifying = access(cloud, tmp_path, "verifying", "kubernetes-verify.yaml")
    proving = access(cloud, tmp_path, "proving", "kubernetes-prove.yaml")

    assert report(project, "verify", "--pods", **verifying)[0] == 0
    assert report(project, "prove", **proving)[0] == 0
    code, checks = report(project, "prove", **verifying)
    assert code == 3
    assert r"cannot create resource \"serviceaccounts/token\"" in not_good(checks)[0]["found"]


def test_nobody_there_is_no_answer(project: Project, cloud: Any, tmp_path: Path) -> None:
    kubeconfig = json.loads((cloud.folder / "kubeconfig").read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    without_aws = report(project, "verify", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    without_kubernetes = report(project, "verify", KUBECONFIG=str(file))
    without_context = report(project, "verify", KUBECONFIG=str(cloud.folder / "none"), HOME=str(tmp_path))

    for code, checks in (without_aws, without_kubernetes, without_context):
        bad = not_good(checks)
        assert (code, {check["outcome"] for check in bad}) == (3, {"no answer"})
        assert all(check["found"] for check in bad)


def test_what_cannot_be_chosen_is_said_in_one_line(project: Project, tmp_path: Path) -> None:
    binding = irsa(project, "verify", "--stack", STACK, "verfied")
    stack = irsa(project, "prove", "--stack", "nowhere")
    folder = project.cloud.run("irsa", "verify", folder=tmp_path)

    assert [answer.returncode for answer in (binding, stack, folder)] == [3, 3, 3]
    assert binding.stderr == f"irsa verify: stack {STACK} has no binding 'verfied'; did you mean 'verified'?\n"
    assert stack.stderr.startswith("irsa prove: pulumi stack export: \"no stack named 'nowhere' found\"")
    assert folder.stderr.startswith("irsa verify: no Pulumi.yaml in ")


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
