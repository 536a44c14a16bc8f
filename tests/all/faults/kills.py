"""Kill the engine by SIGKILL while AWS or Kubernetes hold back a write: it was done and not answered, or it is lost."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.sandbox.failing_api import Answer, Question, failing_api
from tests.sandbox.project import Stack

# Else a kill, or a fault, of each kind.
EVERY = os.environ.get("FAULTS") == "all"
LONGEST_SECONDS = 300.0
CREATES = ("Create", "Attach", "Put")
POLICIES = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
COLLECTIONS = {"namespaces", "serviceaccounts", "configmaps", "pod-identity-associations", *POLICIES}


def written(question: Question) -> str:
    """Return what a request changes: IAM's action, or a collection of Kubernetes or EKS; empty if nothing."""
    if question.action:
        return question.action if question.action.startswith((*CREATES, "Update", "Delete", "Detach")) else ""
    collections = [word for word in question.path.split("/") if word in COLLECTIONS]
    return collections[-1] if collections and question.method != "GET" else ""


def created(question: Question) -> str:
    creates = question.action.startswith(CREATES) if question.action else question.method in {"POST", "PATCH"}
    return written(question) if creates else ""


class Killed(NamedTuple):
    """What a kill met. It began at a whole second, as Kubernetes writes dates; no processes, if it came too late."""

    verb: str
    began: datetime
    processes: int
    passed: int
    held: list[str]


class Held:
    def __init__(self, holds: Callable[[Question], str], number: int) -> None:
        self.passed, self.what = 0, list[str]()
        self._holds, self._number, self._since = holds, number, 0.0
        self._lock, self.released = threading.Lock(), threading.Event()

    def hold(self, question: Question) -> bool:
        what = self._holds(question)
        if not what:
            return False
        with self._lock:
            if self.passed < self._number:
                self.passed += 1
                return False
            self.what.append(what)
            self._since = time.monotonic()
        return self.released.wait(LONGEST_SECONDS)

    def settled(self, seconds: float) -> bool:
        return bool(self.what) and time.monotonic() - self._since >= seconds


@contextmanager
def both_apis(
    cloud: Any,
    folder: Path,
    failure: Callable[[Question], Answer | None],
    passed_on: Callable[[Question], object] = lambda _: None,
) -> Iterator[dict[str, str]]:
    """Yield the variables that lead to an AWS and a Kubernetes that fail, and say what they have passed on."""
    config = json.loads(cloud.sandbox.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    certificate = str(cloud.sandbox.kubernetes / "certificates" / "apiserver.crt")
    with (
        failing_api(failure, cloud.aws_address, passed_on) as aws,
        failing_api(failure, server, passed_on, certificate) as kubernetes,
    ):
        config["clusters"][0]["cluster"] = {"server": kubernetes}
        file = folder / "kubeconfig-that-holds"
        file.write_text(json.dumps(config))
        yield {"AWS_ENDPOINT_URL": aws, "KUBECONFIG": str(file)}


def kill(
    stack: Stack,
    verb: str = "up",
    *,
    number: int = 0,
    holds: Callable[[Question], str] = written,
    before: bool = False,
    settles_seconds: float = 0.0,
) -> Killed:
    """Run pulumi, and kill it, its plugins and its program while a request is held: done, or `before` that."""
    held = Held(holds, number)

    def lost(question: Question) -> Answer | None:
        # Who asked is gone: what was held does not happen any more.
        return Answer(503, "text/plain", "") if before and held.hold(question) else None

    def done(question: Question) -> None:
        if not before:
            held.hold(question)

    began = datetime.now(UTC).replace(microsecond=0)
    with both_apis(stack.cloud, stack.folder, lost, done) as variables:
        try:
            processes = _run(stack, verb, lambda: held.settled(settles_seconds), variables)
        finally:
            held.released.set()
    return Killed(verb, began, processes, held.passed, held.what)


def kill_while_held(stack: Stack, passed: tuple[str, ...] = (), *, before: bool = False) -> Killed:
    """Kill an `up` while all that it creates without waiting is held, but for what is passed."""

    def holds(question: Question) -> str:
        what = created(question)
        return "" if what in passed else what

    killed = kill(stack, holds=holds, before=before, settles_seconds=2)
    assert killed.processes, "a test that held nothing back"
    return killed


def _run(stack: Stack, verb: str, until: Callable[[], bool], variables: Mapping[str, str]) -> int:
    # What is killed has written no state at its end.
    own = {**stack.cloud.environment(), "PULUMI_SKIP_CHECKPOINTS": "false", **stack.variables, **variables}
    command = ["pulumi", verb, "--yes", "--skip-preview", "--non-interactive"]
    output, began = stack.folder / "interrupted.log", time.monotonic()
    with (
        output.open("wb") as log,
        subprocess.Popen(
            command, cwd=stack.folder, env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as engine,
    ):
        try:
            while engine.poll() is None and not until():
                assert time.monotonic() - began < LONGEST_SECONDS, output.read_text()
                time.sleep(0.005)
        finally:
            # Also after an error in `until`, a timeout of the test or Ctrl-C.
            killed = _kill(engine.pid, stack.folder) if engine.poll() is None else 0
    return killed


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
        psutil.wait_procs(processes[1:], timeout=LONGEST_SECONDS)
        return len(processes)
    return 0
