"""Which plugins a sandbox runs."""

import os
from pathlib import Path

import pytest

from sandbox.layout import Sandbox
from sandbox.plugins_install import install_plugins, plugin_program
from sandbox.step_progress import StepProgress
from sandbox.versions import OFFICIAL_KUBERNETES


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A sandbox whose engine can download nothing."""
    made = Sandbox(tmp_path / "sandbox")
    made.prepare()
    (made.programs / "pulumi").write_text("#!/bin/sh\nexit 1\n")
    (made.programs / "pulumi").chmod(0o755)
    return made


def test_the_built_plugin_is_used_only_where_it_is_asked_for(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects what a test shows: the plugin that it ran with is printed, and the one of a run before is gone."""
    cache = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    program = plugin_program(sandbox, "kubernetes")
    for official in ("", "built", "built", ""):
        install_plugins(sandbox, {**cache, "OFFICIAL": official}, StepProgress())
        said = capsys.readouterr().out
        if official:
            assert program.readlink() == OFFICIAL_KUBERNETES.program(cache)
            assert "kubernetes of January 2026 (official, built)" in said
        else:
            assert "sandbox.plugins.kubernetes" in program.read_text()
            version = program.parent.name.partition("-v")[2]
            assert f"kubernetes {version} (stand-in)" in said
            # It is no error that nothing is downloaded.
            assert f"plugins: kubernetes {version} (stand-in: no download here)" in said
    assert "sandbox.plugins.aws" in plugin_program(sandbox, "aws").read_text()


def test_the_plugins_run_where_the_checkout_is_now(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects who moves a checkout: the engine started the interpreter of the old place, and called it a bug."""
    install_plugins(sandbox, os.environ, StepProgress())
    monkeypatch.setattr("sandbox.plugins_install.CHECKOUT", Path("/moved"))
    monkeypatch.setattr("sys.executable", "/moved/.venv/bin/python")
    install_plugins(sandbox, os.environ, StepProgress())

    for name in ("aws", "kubernetes"):
        launcher = plugin_program(sandbox, name).read_text()
        assert "exec /moved/.venv/bin/python -P -c " in launcher
        assert f" /moved sandbox.plugins.{name} " in launcher
