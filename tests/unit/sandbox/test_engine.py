"""Which stack is created, and which lock is released, before the engine runs; the engine itself is not run here."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import select_stack
from sandbox.layout import Sandbox
from sandbox.step_progress import StepProgress

PROJECT = "my-project"


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A sandbox whose engine writes what it is asked into a file."""
    made = Sandbox(tmp_path)
    made.prepare()
    (made.programs / "pulumi").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (made.programs / "pulumi").chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[int]:
    """The process id of a program with the engine's name."""
    program = tmp_path / "pulumi"
    program.symlink_to(str(shutil.which("sleep")))
    with subprocess.Popen(["sleep", "60"], executable=program) as process:
        yield process.pid
        process.terminate()


def asked(sandbox: Sandbox) -> str:
    """Return what the engine is asked when the stack is selected."""
    select_stack(sandbox, os.environ, StepProgress(), "dev", sandbox.folder)
    said = sandbox.folder / "asked"
    return said.read_text() if said.exists() else ""


@pytest.mark.parametrize(
    ("file", "creates"),
    [
        (f"{PROJECT}/dev.json", False),
        # PULUMI_DIY_BACKEND_GZIP and PULUMI_DIY_BACKEND_ZSTD:
        # https://www.pulumi.com/docs/iac/cli/environment-variables/
        (f"{PROJECT}/dev.json.gz", False),
        (f"{PROJECT}/dev.json.zst", False),
        # `pulumi stack rm` leaves these.
        (f"{PROJECT}/dev.json.bak", True),
        (f"{PROJECT}/dev.json.gz.bak", True),
        ("another-project/dev.json", True),
    ],
)
def test_a_stack_is_created_unless_it_exists(sandbox: Sandbox, file: str, creates: bool) -> None:
    """Protects `make up`: a stack taken to exist fails it, and the engine refuses to create one that does."""
    state = sandbox.state / ".pulumi" / "stacks" / file
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    assert asked(sandbox) == ("stack init dev --non-interactive\n" if creates else "")


def test_a_lock_is_kept_while_its_engine_runs(
    sandbox: Sandbox, engine: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects a state that is being written: the lock of a running engine stays, beside one of a killed engine."""
    locks = sandbox.state / ".pulumi" / "locks" / "organization" / PROJECT / "dev"
    locks.mkdir(parents=True)
    (locks / "running.json").write_text(json.dumps({"pid": engine}))
    # This process is no engine: the number was given again.
    (locks / "killed.json").write_text(json.dumps({"pid": os.getpid()}))
    (locks / "cut-off.json").write_text("")
    asked(sandbox)
    assert [lock.name for lock in locks.iterdir()] == ["running.json"]
    assert capsys.readouterr().out.count("stack dev: locked by an engine that no longer runs") == 2
