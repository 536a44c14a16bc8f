import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import language_host
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


def run(project: Stack, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (project.folder / "__main__.py").write_text(program)
    return project.run(*(arguments or ("up", "--yes", "--skip-preview", "--suppress-progress")))


def test_preview_and_update_do_not_share_modules(project: Stack) -> None:
    (project.folder / "counter.py").write_text("runs = 0\n")
    program = "import counter, pulumi\ncounter.runs += 1\npulumi.export('runs', counter.runs)\n"
    assert run(project, program, "up", "--yes").returncode == 0
    assert project.outputs() == {"runs": 1}


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


def test_an_interrupted_program_is_no_error_of_its_own() -> None:
    """The engine interrupts its plugins' process groups when it is done: no traceback of asyncio may come of it."""
    receiving, sending = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-P", language_host.__file__, language_host.RUN, str(sending)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[sending],
    ) as runner:
        assert runner.stderr is not None
        time.sleep(2)  # it has started and waits for its request
        runner.send_signal(signal.SIGINT)
        said = runner.stderr.read()
    os.close(sending)
    os.close(receiving)
    assert runner.returncode == language_host.INTERRUPTED
    assert said == b""
