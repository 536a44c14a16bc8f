"""Which stack is created, and which lock is released, before the engine runs; the engine itself is not run here."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.engine import select_stack
from sandbox.layout import Sandbox
from sandbox.step_progress import StepProgress


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path)
    made.prepare()
    (made.programs / "pulumi").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (made.programs / "pulumi").chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text("name: project\nruntime: python\n")
    return made


def test_a_lock_is_kept_while_its_engine_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.symlink_to(str(shutil.which("sleep")))
    locks = sandbox.state / ".pulumi" / "locks" / "organization" / "project" / "dev"
    locks.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], executable=program) as engine:
        # This process is no engine: the number was given again.
        texts = {"running": json.dumps({"pid": engine.pid}), "killed": json.dumps({"pid": os.getpid()}), "cut-off": ""}
        for name, text in texts.items():
            (locks / f"{name}.json").write_text(text)
        select_stack(sandbox, os.environ, StepProgress(), sandbox.folder)
        engine.terminate()
    assert [lock.name for lock in locks.iterdir()] == ["running.json"]
