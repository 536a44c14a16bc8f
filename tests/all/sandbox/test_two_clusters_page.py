import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import ACCOUNT
from tests.sandbox.project import ROOT, Project

pytestmark = pytest.mark.sandbox


def test_the_commands_of_the_page_run_in_their_order(cloud: Any, green: str, tmp_path: Path) -> None:
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
