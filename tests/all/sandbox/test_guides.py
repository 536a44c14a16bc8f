"""The guides by which people move to irsa: their commands, in their order, on an estate like theirs.

`terraform` cannot run here, without a state; tests/sandbox/cloudformation.py is in the place of CloudFormation. What
they would do to a role is nothing, which is what the guides say of them.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox import estate
from tests.sandbox.cloudformation import deleted_stacks
from tests.sandbox.guide import commands_of
from tests.sandbox.kubeconfigs import kubeconfig_of
from tests.sandbox.project import ROOT, STACK, Project
from tests.sandbox.test_adopt import details, live_accounts

pytestmark = pytest.mark.sandbox

# That of docs/commands/adopt.md asks about one stack.
CANNOT_RUN = ("aws cloudformation ", "terraform ")
FOLLOWED = ("../commands/adopt", "from-eksctl", "from-terraform")
# By guide, the stacks that it deletes, and the resources that go with them.
DELETED: dict[str, dict[str, list[str]]] = {
    "from-eksctl": {"eksctl-my-cluster-addon-iamserviceaccount-monitoring-prometheus": []},
}


@pytest.fixture
def project(cloud: Any, tmp_path: Path) -> Iterator[Project]:
    web = ObjectMeta(name="web", namespace="team-a", labels={estate.MANAGED_BY: "eksctl"})
    kubeconfig = kubeconfig_of(tmp_path, {"my-cluster": cloud.environment()["KUBECONFIG"]})
    project = Project(cloud, tmp_path / "project", {}, variables={"KUBECONFIG": kubeconfig})
    (project.folder / f"Pulumi.{STACK}.yaml").unlink()
    subprocess.run(["git", "init", "--quiet", project.folder], check=True)
    # What was adopted stays when its stack is forgotten with the folder, and goes with the estate.
    with estate.planted(cloud):
        cloud.kubernetes().create(ServiceAccount(metadata=web), field_manager="eksctl")
        yield project


ORDER = ("irsa adopt", "irsa diff", "pulumi up", "irsa adopt --finish", "irsa verify", "irsa prove")


@pytest.mark.parametrize("guide", FOLLOWED)
def test_the_commands_of_a_guide_run_in_their_order(guide: str, project: Project, tmp_path: Path) -> None:
    ran: list[str] = []
    before: Any = None
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    python = f"PYTHONPATH={ROOT} {project.cloud.virtualenv}/bin/python"
    cloudformation = f'aws() {{ shift; {python} -m tests.sandbox.cloudformation {stacks} "$@"; }}'
    for command in commands_of(guide):
        if command.startswith(CANNOT_RUN):
            continue
        words = shlex.split(command, comments=True)
        subcommand = " ".join(words[: 3 if "--finish" in words else 2])
        if words[:3] == ["pulumi", "stack", "rm"]:
            before = details(project.cloud), live_accounts(project.cloud)
            words.append("--yes")
        if subcommand == "pulumi up":
            without_change = ["--expect-no-changes"] if ran[-1] == "irsa adopt --finish" else []
            words += ["--yes", *without_change]
        ran.append(subcommand)
        if words[0] == "pulumi":
            project.pulumi(*words[1:])
        else:
            shell = ("bash", "-c", f"set -o pipefail; {cloudformation}; {command}")
            answer = project.cloud.run(*shell, folder=project.folder, **project.variables)
            assert answer.returncode == 0, (command, answer.stdout + answer.stderr)
        if subcommand == "irsa adopt --finish":
            assert not re.search(r"^ *import:", (project.folder / "Pulumi.prod.yaml").read_text(), re.MULTILINE)
    if before:
        assert (details(project.cloud), live_accounts(project.cloud)) == before
        project.pulumi("up", "--stack", "prod", "--yes", "--skip-preview", "--expect-no-changes")

    assert deleted_stacks(stacks) == DELETED.get(guide, {})

    # The order in which no Pod is without permissions.
    first = [ran.index(subcommand) for subcommand in ORDER if subcommand in ran]
    assert first == sorted(first)
    assert len(first) == len(ORDER)
    text = "\n".join(commands_of(guide))
    for earlier, later in (("update-stack", "pulumi up"), ("pulumi up", "delete-stack"), ("pulumi up", "state rm")):
        if earlier in text and later in text:
            assert text.index(earlier) < text.index(later)
