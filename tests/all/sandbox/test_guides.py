"""The guides by which people move to irsa: their commands, in their order, on an estate like theirs.

`aws cloudformation` and `terraform` cannot run here: there is no CloudFormation behind the sandbox's AWS API, and no
Terraform state. What they would do to a role is nothing, which is what the guides say of them.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox import estate
from tests.sandbox.guide import GUIDES, commands_of
from tests.sandbox.irsa_command import irsa
from tests.sandbox.kubeconfigs import kubeconfig_of
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

CANNOT_RUN = ("aws cloudformation ", "terraform ")
# By guide, the exit codes of what does not end with 0. Of `--all`, something is left (adopt), and a role of the estate
# has NotAction, which the sandbox's STS refuses (prove).
EXPECTED = {
    "from-eksctl": {"irsa adopt": 1, "irsa prove": 1},
    "from-hand-run-commands": {},
    # One of its roles has a condition that irsa does not write.
    "from-terraform": {"irsa adopt": 1},
}


@pytest.fixture
def project(cloud: Any, tmp_path: Path) -> Iterator[Project]:
    """Create the estate and the service account of the guides, and yield a project whose context is `prod`."""
    estate.make(cloud)
    client = cloud.kubernetes()
    web = ObjectMeta(name="web", namespace="team-a", labels={estate.MANAGED_BY: "eksctl"})
    client.create(ServiceAccount(metadata=web), field_manager="eksctl")
    kubeconfig = kubeconfig_of(tmp_path, {"prod": cloud.environment()["KUBECONFIG"]})
    project = Project(cloud, tmp_path / "project", {}, variables={"KUBECONFIG": kubeconfig})
    (project.folder / f"Pulumi.{STACK}.yaml").unlink()
    yield project
    # What was adopted stays when its stack is forgotten with the folder, and the estate removes it.
    client.delete(ServiceAccount, "web", namespace="team-a")
    estate.remove(cloud)


def without_imports(file: Path) -> None:
    settings = yaml.safe_load(file.read_text())
    for binding in settings["config"]["irsa:bindings"].values():
        binding.pop("import", None)
    file.write_text(yaml.safe_dump(settings, sort_keys=False))


@pytest.mark.parametrize("guide", EXPECTED)
def test_the_commands_of_a_guide_run_in_their_order(guide: str, project: Project) -> None:
    """Protects the reader: each command runs as it stands, and the second `pulumi up` changes nothing."""
    file = project.folder / "Pulumi.prod.yaml"
    ran: list[str] = []
    for command in commands_of(guide):
        if command.startswith(CANNOT_RUN):
            continue
        words = shlex.split(command, comments=True)
        subcommand = " ".join(words[:2])
        ran.append(subcommand)
        if subcommand == "pulumi up":
            ups = ran.count(subcommand)
            if ups > 1:
                without_imports(file)
            project.pulumi(*words[1:], "--yes", "--skip-preview", *(["--expect-no-changes"] if ups > 1 else []))
        elif words[0] == "pulumi":
            project.pulumi(*words[1:])
        else:
            answer = irsa(project, *words[1:]) if words[0] == "irsa" else project.cloud.run(*words, **project.variables)
            assert answer.returncode == EXPECTED[guide].get(subcommand, 0), (command, answer.stdout + answer.stderr)
    if ran.count("pulumi up") == 1:
        without_imports(file)
        project.pulumi("up", "--stack", "prod", "--yes", "--skip-preview", "--expect-no-changes")

    # The order in which no Pod is without permissions.
    first = [
        ran.index(subcommand) for subcommand in ("irsa adopt", "irsa diff", "pulumi up", "irsa verify", "irsa prove")
    ]
    assert first == sorted(first)
    for before, after in (("update-stack", "pulumi up"), ("pulumi up", "delete-stack"), ("pulumi up", "state rm")):
        text = "\n".join(commands_of(guide))
        if before in text and after in text:
            assert text.index(before) < text.index(after)


def test_every_guide_is_tried() -> None:
    """Protects a new guide from being one that nobody has followed."""
    assert {each.stem for each in GUIDES.glob("from-*.md")} == set(EXPECTED)
