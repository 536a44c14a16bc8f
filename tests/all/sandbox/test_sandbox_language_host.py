import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.conftest import Cloud
from tests.sandbox.project import Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(180)]


@pytest.fixture
def project(cloud: Cloud, tmp_path: Path) -> Stack:
    use(tmp_path, sys.prefix)
    (tmp_path / "__main__.py").write_text("")
    return Stack(cloud, tmp_path)


def use(folder: Path, virtualenv: str) -> None:
    runtime = {"name": "python", "options": {"virtualenv": virtualenv}}
    (folder / "Pulumi.yaml").write_text(json.dumps({"name": "tiny", "runtime": runtime}))


def run(project: Stack, program: str) -> subprocess.CompletedProcess[str]:
    (project.folder / "__main__.py").write_text(program)
    return project.run("up", "--yes", "--skip-preview", "--suppress-progress")


def test_a_bug_shows_where_it_is(project: Stack) -> None:
    answer = run(project, "def broken():\n    return {}['key']\n\nbroken()\n")
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert f'File "{project.folder}/__main__.py", line 2, in broken' in said
    assert "KeyError: 'key'" in said
    assert "language_host" not in said
    assert "runpy" not in said


def test_a_program_that_dies_is_an_error(project: Stack) -> None:
    answer = run(project, "import os\nos._exit(7)\n")
    assert answer.returncode != 0
    assert "the program ended with code 7" in answer.stdout + answer.stderr
