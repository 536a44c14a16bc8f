"""Resource plugins: the official ones where the engine can install them, else the stand-ins of the sandbox.

With OFFICIAL=built the Kubernetes plugin is the official one built from its Go module.
"""

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
from sandbox.versions import OFFICIAL_KUBERNETES, official_parts

SDKS = {"aws": "pulumi-aws", "kubernetes": "pulumi-kubernetes"}
STALLED_SECONDS = 20.0


def install_plugins(sandbox: Sandbox, environment: Mapping[str, str], progress: StepProgress) -> None:
    """Install what is missing and say which plugins are in use."""
    lines = []
    built = {"kubernetes": OFFICIAL_KUBERNETES.program(environment)} if official_parts(environment) else {}
    for name, version in plugin_versions().items():
        program = plugin_program(sandbox, name)
        if (program.readlink() if program.is_symlink() else None) != built.get(name):
            _empty(program.parent)
            if name in built:
                program.symlink_to(built[name])
            else:
                program.parent.rmdir()
        if name in built:
            lines.append(f"{name} of January 2026 (official, built) for SDK {version}")
            continue
        if not program.exists():
            with progress.step("plugins", f"pulumi plugin install resource {name} {version}") as detail:
                official = _install_official(sandbox, name, version, environment)
                if not official:
                    _empty(program.parent)
                    _write_stand_in(program)
                detail[:] = [f"{name} {version} {'installed' if official else '(stand-in: no download here)'}"]
        is_stand_in = program.with_name("stand-in.json").exists()
        if is_stand_in:
            # Each time: the checkout may have been moved since.
            _write_stand_in(program)
        lines.append(f"{name} {version} ({'stand-in' if is_stand_in else 'official'})")
    progress.say(f"  plugins in use: {', '.join(lines)}")


def plugin_versions() -> dict[str, str]:
    """Return each plugin's version, which is that of its installed SDK: the engine pairs them."""
    return {name: importlib.metadata.version(package) for name, package in SDKS.items()}


def plugin_program(sandbox: Sandbox, name: str) -> Path:
    """Return the plugin's program, where the engine looks for it."""
    return sandbox.pulumi_home / "plugins" / f"resource-{name}-v{plugin_versions()[name]}" / f"pulumi-resource-{name}"


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
        finally:
            process.terminate()
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


def _write_stand_in(program: Path) -> None:
    """Write a launcher where the engine looks for the plugin of this version."""
    module = f"sandbox.plugins.{program.name.removeprefix('pulumi-resource-')}"
    program.with_name("stand-in.json").write_text(json.dumps({"module": module}))
    # A module of this checkout, whatever the current folder and the caller's PYTHONPATH are.
    code = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), None, '__main__')"
    write_launcher(program, "-c", code, CHECKOUT, module)


def _empty(folder: Path) -> None:
    """Empty a plugin's folder, or make it."""
    shutil.rmtree(folder, ignore_errors=True)
    # A download that was cut off leaves these beside it, and the engine then takes the folder for incomplete.
    for leftover in (folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.lock")):
        leftover.unlink(missing_ok=True)
    folder.mkdir(parents=True)


def write_launcher(path: Path, *arguments: str | Path) -> None:
    """Write a program that runs Python code of this checkout with the interpreter of this process.

    -P keeps the current folder, which is that of the user's program, off the module search path.
    """
    command = shlex.join([sys.executable, "-P", *map(str, arguments)])
    write_atomically(path, f'#!/bin/sh\n# Written by: make up\nexec {command} "$@"\n', mode=0o755)
