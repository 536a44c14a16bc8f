"""A run of the tests ends, and names what failed, whatever its tests do."""

import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.progress import Progress

ROOT = Path(__file__).parents[2]
TESTS = """
import os, signal, time, pytest

def test_fails():
    assert 1 == 2

@pytest.mark.timeout(1)
def test_hangs():
    time.sleep(600)

def test_ends_its_worker():
    os.kill(os.getpid(), signal.SIGKILL)

def test_is_not_run():
    pass
"""


class Terminal(list[str]):
    """What stands on the terminal; the run's settings, and their plugins, as far as they are asked for."""

    write_line = list.append
    pluginmanager = property(lambda self: self)

    def get_plugin(self, _: str) -> "Terminal":
        return self

    def getoption(self, _: str) -> float:
        return 0.01

    def suspend_global_capture(self) -> None:
        pass

    def flush(self) -> None:
        pass


def test_each_failure_is_named_at_once_and_a_dead_worker_ends_the_run(tmp_path: Path) -> None:
    file = tmp_path / "test_run.py"
    file.write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(
        [*command, *settings, str(file)],
        cwd=ROOT,
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    at_once, _, _ = ended.stdout.partition("= FAILURES =")

    assert ended.returncode == 1
    # No other worker takes its place: what it had not run yet is not run.
    assert "passed" not in ended.stdout
    assert "\nFAILED test_run.py::test_fails: " in at_once
    assert "\nFAILED test_run.py::test_hangs: " in at_once
    assert "\nFAILED test_run.py::test_ends_its_worker: worker 'gw0' crashed while running" in at_once


def test_a_run_that_stands_still_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.progress.GRACE_SECONDS", 0.2)
    codes: SimpleQueue[int] = SimpleQueue()
    monkeypatch.setattr("os._exit", codes.put)
    terminal: Any = Terminal()
    progress = Progress(terminal)
    for nodeid in ("a.py::test_ended", "a.py::test_stands_still"):
        progress.pytest_runtest_logstart(nodeid)
    progress.pytest_runtest_logfinish("a.py::test_ended")

    assert codes.get(timeout=60) == 1
    assert terminal == ["", "ended after 0.21 s; these tests had not:", "a.py::test_stands_still"]
