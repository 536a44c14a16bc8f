"""The sandbox's engine: a program that fails, starts in a new Python, uses every key, and the page of two clusters."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.resources.core_v1 import ServiceAccount

from sandbox.engine import prepare_engine
from sandbox.layout import OTHER_AWS_ACCOUNT
from sandbox.second_cluster import second_cluster
from sandbox.seed import kubernetes_client
from tests.all.faults.inventory import existing
from tests.sandbox.cloud import Cloud, start_by
from tests.sandbox.conflicts import aws_accounts
from tests.sandbox.irsa_command import ACCOUNT, irsa
from tests.sandbox.project import ROOT, STACK, Project, Stack
from tests.sandbox.showcase import showcase
from tests.sandbox.warm_python import launcher

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture
def tiny(cloud: Cloud, tmp_path: Path) -> Stack:
    runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
    (tmp_path / "Pulumi.yaml").write_text(json.dumps({"name": "tiny", "runtime": runtime}))
    return Stack(cloud, tmp_path)


def run(project: Stack, program: str) -> str:
    (project.folder / "__main__.py").write_text(program)
    answer: subprocess.CompletedProcess[str] = project.run("up", "--yes", "--skip-preview", "--suppress-progress")
    assert answer.returncode != 0
    return answer.stdout + answer.stderr


def test_a_program_that_fails(tiny: Stack) -> None:
    said = run(tiny, "def broken():\n    return {}['key']\n\nbroken()\n")
    assert f'File "{tiny.folder}/__main__.py", line 2, in broken' in said
    assert "KeyError: 'key'" in said
    assert "language_host" not in said
    assert "runpy" not in said
    assert "the program ended with code 7" in run(tiny, "import os\nos._exit(7)\n")


@pytest.fixture
def cold(cloud: Cloud, tmp_path: Path) -> Iterator[Project]:
    """A project whose host, program and plugins start in a new Python, as `make up` starts them."""
    prepare_engine(cloud.sandbox, cloud.environment(), cloud.progress)
    subjects = [f"team-a:worker-{number}" for number in range(9)]
    binding = {"serviceAccount": {"name": "cold"}, "policyArns": [], "trust": {"subjects": subjects}}
    project = Project(cloud, tmp_path, {"bindings": {"cold": binding}})
    settings = tmp_path / "Pulumi.yaml"
    settings.write_text(settings.read_text().replace(str(cloud.virtualenv), sys.prefix))
    yield project
    project.clean_up()
    start_by(launcher(cloud.virtualenv), cloud.sandbox)


def test_a_new_python_imports_what_it_needs_and_orders_as_another(cold: Project) -> None:
    cold.variables["PYTHONHASHSEED"] = "1"
    # The stack, the component, a role and a service account; the stand-ins' providers are not counted.
    assert cold.up() == {"create": 4}
    cold.variables["PYTHONHASHSEED"] = "2"
    assert cold.up() == {}


# The clusters of the other bindings have no API server here, and so no tokens; no Pods run here.
PROVABLE = ("adopted", "common", "everything", "existing-role", "own-audience")


def everything(cloud: Cloud) -> set[tuple[str, ...]]:
    """Return what exists in both AWS accounts and both clusters."""
    other, green = aws_accounts(cloud)[OTHER_AWS_ACCOUNT], kubernetes_client(second_cluster(cloud.sandbox))
    accounts = [each.metadata for each in green.list(ServiceAccount, namespace="*") if each.metadata]
    return {
        *existing(cloud),
        *(("other role", each["Arn"]) for each in other.list_roles()["Roles"]),
        *(("other policy", each["Arn"]) for each in other.list_policies(Scope="Local")["Policies"]),
        # Every namespace has one of that name of Kubernetes' own accord, and stays.
        *(("green", f"{each.namespace}/{each.name}") for each in accounts if each.name != "default"),
    }


def test_every_key_is_deployed_and_destroyed_to_nothing(cloud: Cloud, green: str, tmp_path: Path) -> None:
    before, config = everything(cloud), yaml.safe_load((ROOT / "Pulumi.showcase.yaml").read_text())["config"]
    platform, project = showcase(cloud, green, tmp_path, config)
    project.up()
    for subcommand in (["verify"], ["prove", "--allow-unproven", *PROVABLE]):
        answer = irsa(project, *subcommand, "--stack", STACK)
        assert answer.returncode == 0, answer.stdout
    assert project.up() == {}
    project.destroy()
    platform.destroy()
    assert everything(cloud) <= before


def test_the_commands_of_two_clusters_run_in_their_order(cloud: Any, green: str, tmp_path: Path) -> None:
    project = Project(cloud, tmp_path / "project", {})
    (project.folder / ".sandbox").symlink_to(cloud.folder)
    shutil.copytree(ROOT / "examples" / "stack-files", project.folder / "examples" / "stack-files")
    section = (ROOT / "docs" / "sandbox.md").read_text().partition("## Two clusters")[2]
    commands = re.findall(r"^\$ (.*)", section.partition("## ")[0], re.MULTILINE)
    done = {"make up", "make second-cluster", ". .sandbox/env", "make down"}
    ran = []
    for words in (shlex.split(command, comments=True) for command in commands):
        if " ".join(words) in done:
            continue
        ran.append(words[:2])
        yes = ["--yes"] if words[0] == "pulumi" and words[2] != "init" else []
        answer = cloud.run(*words, *yes, folder=project.folder, **project.variables)
        assert answer.returncode == 0, (words, answer.stdout + answer.stderr)
        if words[0] == "kubectl":
            assert f"eks.amazonaws.com/role-arn: arn:aws:iam::{ACCOUNT}:role/worker-" in answer.stdout
    assert ["irsa", "prove"] in ran
    assert not (project.folder / "Pulumi.two-clusters.yaml").exists()
