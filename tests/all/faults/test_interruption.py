"""The tests leave no engine behind, however they end."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from sandbox.layout import write_atomically
from tests.all.faults import interruption
from tests.all.faults.interruption import interrupt

ENGINE = """#!/bin/sh
sleep 300 &
echo $! > plugin
echo $$ > engine
wait
"""


@pytest.mark.parametrize("end", [KeyboardInterrupt, AssertionError, None])
def test_an_engine_ends_with_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Any) -> None:
    write_atomically(tmp_path / "pulumi", ENGINE, mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(interruption, "ENDS_WITHIN", 300 if end else 5)
    stack: Any = SimpleNamespace(
        folder=tmp_path, variables={}, cloud=SimpleNamespace(environment=lambda: {**os.environ})
    )

    def when() -> bool:
        if end and (tmp_path / "engine").exists():
            raise end
        return False

    with pytest.raises(end or AssertionError):
        interrupt(stack, "up", when=when)
    left = [int((tmp_path / name).read_text()) for name in ("engine", "plugin")]
    assert [
        pid for pid in left if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ] == []
