import json
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.sandbox.project import Stack

ENDS_WITHIN = 300.0
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
SERVICE_ACCOUNT, PATCH = "kubernetes:core/v1:ServiceAccount", "kubernetes:core/v1:ServiceAccountPatch"


class Interrupted(NamedTuple):
    """What a kill met.

    Attributes:
        verb: What was run, such as `up`.
        killed: Number of processes that were killed; none, if the engine had ended before.
        lines: How many lines the engine had printed.
        began: When it began, in whole seconds, as Kubernetes writes its dates.
    """

    verb: str
    killed: int
    lines: int
    began: datetime


def interrupt(stack: Stack, verb: str, when: Callable[[], bool], **variables: str) -> Interrupted:
    """Run pulumi, and kill it, its plugins and its program by SIGKILL as soon as `when` says so."""
    command = ["pulumi", verb, "--yes", "--skip-preview", "--non-interactive"]
    output = _output(stack)
    date, began, killed = datetime.now(UTC).replace(microsecond=0), time.monotonic(), 0
    with output.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=stack.folder,
            # What is killed has written no state at its end.
            env={**stack.cloud.environment(), "PULUMI_SKIP_CHECKPOINTS": "false", **stack.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None and not when():
                assert time.monotonic() - began < ENDS_WITHIN, output.read_text()
                time.sleep(0.005)
        finally:
            # Also after an error in `when`, a timeout of the test or Ctrl-C.
            killed = _kill(process.pid, stack.folder) if process.poll() is None else 0
            process.wait(ENDS_WITHIN)
    return Interrupted(verb, killed, _lines(stack), date)


def after(stack: Stack, lines: int, seconds: float) -> Callable[[], bool]:
    """Return a function that says whether an engine printed so many lines, and some seconds have passed since.

    Lines follow the engine's work: on a busy machine, seconds alone would mostly be those of its start.
    """
    printed: list[float] = []

    def reached() -> bool:
        if not printed and _lines(stack) >= lines:
            printed.append(time.monotonic())
        return bool(printed) and time.monotonic() - printed[0] >= seconds

    return reached


def _output(stack: Stack) -> Path:
    return stack.folder / "interrupted.log"


def _lines(stack: Stack) -> int:
    output = _output(stack)
    return output.read_bytes().count(b"\n") if output.exists() else 0


def _kill(pid: int, folder: Path) -> int:
    """Kill an engine, then what it started, so that none sees the end of another; return how many.

    Python is forked from a process that is no child of the engine's (warm_python.py): it is known by the folder.
    """
    with suppress(psutil.NoSuchProcess):
        engine = psutil.Process(pid)
        forked = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]
        processes = list(dict.fromkeys([engine, *engine.children(recursive=True), *forked]))
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes[1:], timeout=ENDS_WITHIN)
        return len(processes)
    return 0


def deployment(stack: Stack) -> dict[str, Any]:
    exported: dict[str, Any] = json.loads(stack.pulumi("stack", "export"))["deployment"]
    return exported
