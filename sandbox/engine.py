"""Run the Pulumi engine in the sandbox."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import yaml

from sandbox.layout import CHECKOUT, STACK, Sandbox, SandboxError
from sandbox.plugins_install import install_plugins, write_launcher
from sandbox.step_progress import StepProgress


def prepare_engine(sandbox: Sandbox, environment: Mapping[str, str], progress: StepProgress) -> None:
    """Install the engine's Python language host and its plugins."""
    if not (sandbox.programs / "pulumi").is_symlink():
        # Where an official engine is installed, its host is beside it, and parts.py has linked both.
        write_launcher(sandbox.programs / "pulumi-language-python", CHECKOUT / "sandbox" / "language_host.py")
    install_plugins(sandbox, environment, progress)


def pulumi(sandbox: Sandbox, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pulumi without a terminal, and return its exit code and output."""
    return subprocess.run(
        [sandbox.programs / "pulumi", *arguments, "--non-interactive"],
        cwd=CHECKOUT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def pulumi_in_terminal(sandbox: Sandbox, environment: Mapping[str, str], *arguments: str) -> None:
    """Run pulumi on the dev stack with its output in the terminal.

    Raises:
        SandboxError: It failed.
    """
    sys.stdout.flush()
    command = [str(sandbox.programs / "pulumi"), *arguments, "--stack", STACK]
    code = subprocess.run(command, cwd=CHECKOUT, env=dict(environment), check=False).returncode
    if code:
        raise SandboxError(f"pulumi {arguments[0]} failed with code {code}; its messages are above.")


def irsa_in_terminal(sandbox: Sandbox, environment: Mapping[str, str], subcommand: str, *arguments: str) -> None:
    """Run a subcommand of the irsa command, with its output in the terminal.

    Raises:
        SandboxError: It failed, or found something.
    """
    sys.stdout.flush()
    # pip's own `irsa` does not start where the path has a quote or a dollar sign.
    command = [sys.executable, "-P", "-m", "irsa_cli", subcommand, *arguments]
    code = subprocess.run(command, cwd=CHECKOUT, env=dict(environment), check=False).returncode
    if code:
        raise SandboxError(
            f"irsa {subcommand} ended with code {code}; its findings are above. "
            f"Run it again: . {shlex.quote(str(sandbox.environment_file))}; irsa {' '.join((subcommand, *arguments))}"
        )


def select_stack(
    sandbox: Sandbox, environment: Mapping[str, str], progress: StepProgress, folder: Path = CHECKOUT
) -> None:
    """Create the dev stack unless it exists, and unlock it if the engine that locked it was killed."""
    state = sandbox.state / ".pulumi"
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    for lock in (state / "locks" / "organization" / project / STACK).glob("*.json"):
        if not _is_held(lock):
            progress.say(f"  stack {STACK}: locked by an engine that no longer runs, unlocking it")
            lock.unlink(missing_ok=True)
    # Not every file of the stack: what `pulumi stack rm` leaves ends with .bak.
    if any((state / "stacks" / project / f"{STACK}.json{ending}").exists() for ending in ("", ".gz", ".zst")):
        return
    answer = pulumi(sandbox, environment, "stack", "init", STACK)
    if answer.returncode:
        raise SandboxError(f"pulumi stack init {STACK} failed: {answer.stderr.strip()}")


def _is_held(lock: Path) -> bool:
    """Return whether the process that the lock names is an engine that runs."""
    try:
        return psutil.Process(json.loads(lock.read_text())["pid"]).name().startswith("pulumi")
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError, TypeError):
        return False
