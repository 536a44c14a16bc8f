"""Resource plugins: the official ones where the engine can install them, else the stand-ins of the sandbox."""

import importlib.metadata
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.layout import CHECKOUT, Sandbox, write_atomically
from sandbox.step_progress import StepProgress

SDKS = {"aws": "pulumi-aws", "kubernetes": "pulumi-kubernetes"}
STALLED_SECONDS = 20.0


def install_plugins(sandbox: Sandbox, environment: Mapping[str, str], progress: StepProgress) -> None:
    """Install what is missing and say which plugins are in use."""
    lines = []
    for name, package in SDKS.items():
        version = importlib.metadata.version(package)
        folder = sandbox.pulumi_home / "plugins" / f"resource-{name}-v{version}"
        if not (folder / f"pulumi-resource-{name}").exists():
            with progress.step("plugins", f"pulumi plugin install resource {name} {version}") as detail:
                official = _install_official(sandbox, name, version, environment)
                if not official:
                    _install_stand_in(folder, name)
                detail[:] = [f"{name} {version} installed" if official else f"{name} {version} cannot be downloaded"]
        kind = "stand-in" if _is_stand_in(folder) else "official"
        lines.append(f"{name} {version} ({kind})")
    progress.say(f"  plugins in use: {', '.join(lines)}")


def _is_stand_in(folder: Path) -> bool:
    return (folder / "stand-in.json").exists()


def _install_official(sandbox: Sandbox, name: str, version: str, environment: Mapping[str, str]) -> bool:
    """Return whether the engine could download the plugin; end it when nothing has arrived for 20 seconds."""
    log = sandbox.logs / f"plugin-{name}.log"
    download = sandbox.folder / "download"
    download.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sandbox.programs / "pulumi", "plugin", "install", "resource", name, version],
            env={**environment, "TMPDIR": str(download)},
            cwd=sandbox.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        arrived, since = -1, time.monotonic()
        try:
            while process.poll() is None:
                time.sleep(0.1)
                size = _downloaded(download, sandbox.pulumi_home)
                if size != arrived:
                    arrived, since = size, time.monotonic()
                elif time.monotonic() - since > STALLED_SECONDS:
                    process.terminate()
                    process.wait()
        except BaseException:
            process.terminate()
            raise
        finally:
            shutil.rmtree(download, ignore_errors=True)
    return process.returncode == 0


def _downloaded(*folders: Path) -> int:
    """Return how many bytes have arrived: the engine downloads into a temporary file, then unpacks it in its home."""
    size = 0
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):
                size += path.stat().st_size
    return size


def _install_stand_in(folder: Path, name: str) -> None:
    """Write a launcher where the engine looks for the plugin of this version."""
    shutil.rmtree(folder, ignore_errors=True)
    # A download that was cut off leaves these beside it, and the engine then takes the folder for incomplete.
    for leftover in (folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.lock")):
        leftover.unlink(missing_ok=True)
    folder.mkdir(parents=True)
    (folder / "stand-in.json").write_text(json.dumps({"module": f"sandbox.plugins.{name}"}))
    launcher = folder / f"pulumi-resource-{name}"
    # A module of this checkout, whatever the current folder and the caller's PYTHONPATH are.
    code = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), None, '__main__')"
    write_launcher(launcher, "-c", code, CHECKOUT, f"sandbox.plugins.{name}")


def write_launcher(path: Path, *arguments: str | Path) -> None:
    """Write a program that runs Python code of this checkout with the interpreter of this process.

    -P keeps the current folder, which is that of the user's program, off the module search path.
    """
    command = shlex.join([sys.executable, "-P", *map(str, arguments)])
    write_atomically(path, f'#!/bin/sh\n# Written by: make up\nexec {command} "$@"\n', mode=0o755)
