"""What an engine creates is held back, so that the kill meets it."""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.all.faults.interruption import Interrupted, interrupt
from tests.sandbox.failing_api import Answer, Question, failing_api
from tests.sandbox.project import Project

LONGEST_HOLD = 300.0
COLLECTIONS = {"namespaces", "serviceaccounts", "pod-identity-associations"}


class Killed(NamedTuple):
    interrupted: Interrupted
    held: list[str]


def what(question: Question) -> str:
    """Return what a request creates: IAM's action, or a collection of Kubernetes or EKS; empty if nothing."""
    if question.action:
        return question.action if question.action.startswith(("Create", "Attach", "Put")) else ""
    collections = [word for word in question.path.split("/") if word in COLLECTIONS]
    return collections[-1] if collections and question.method in {"POST", "PATCH"} else ""


def writes(question: Question) -> bool:
    """Return whether a request changes something that irsa declares."""
    if question.action:
        return question.action.startswith(("Create", "Attach", "Put", "Update", "Delete", "Detach"))
    objects = ("/serviceaccounts", "/configmaps", "/validatingadmissionpolic", "/pod-identity-associations")
    return question.method != "GET" and any(each in question.path for each in objects)


class Held:
    """Requests that create something wait: who asked is killed meanwhile.

    Attributes:
        created: What is waiting.
    """

    def __init__(self, passed: Collection[str]) -> None:
        self.created: list[str] = []
        self._passed = {"", *passed}
        self._since = time.monotonic()
        self._released = threading.Event()

    def hold(self, question: Question) -> None:
        if what(question) not in self._passed:
            self.created.append(what(question))
            self._since = time.monotonic()
            self._released.wait(LONGEST_HOLD)

    def settled(self) -> bool:
        """Return whether something is held, and for two seconds nothing more was."""
        return bool(self.created) and time.monotonic() - self._since > 2

    def release(self) -> None:
        self._released.set()


@contextmanager
def both_apis(
    cloud: Any,
    folder: Path,
    failure: Callable[[Question], Answer | None],
    passed_on: Callable[[Question], object],
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


@contextmanager
def held(
    cloud: Any, folder: Path, passed: Collection[str] = (), *, before: bool = False
) -> Iterator[tuple[Held, dict[str, str]]]:
    """Yield what is held, and the variables that lead to the AWS and Kubernetes that hold it.

    Args:
        cloud: The sandbox.
        folder: For a kubeconfig.
        passed: What is not held.
        before: Requests are held, so that nothing is created by the engine; otherwise their answers.
    """
    holding = Held(passed)
    at_first, at_last = (holding.hold, lambda _: None) if before else (lambda _: None, holding.hold)

    def lost(question: Question) -> Answer | None:
        # Who asked is gone: what was held does not happen any more.
        at_first(question)
        return Answer(503, "text/plain", "") if before and what(question) in holding.created else None

    with both_apis(cloud, folder, lost, at_last) as variables:
        try:
            yield holding, variables
        finally:
            holding.release()


def kill_while_held(project: Project, folder: Path, passed: Collection[str] = (), *, before: bool = False) -> Killed:
    """Kill an `up` while what it creates is held; return what is held."""
    with held(project.cloud, folder, passed, before=before) as (holding, variables):
        interrupted = interrupt(project, "up", when=holding.settled, **variables)
    assert interrupted.killed, "a test that held nothing back"
    return Killed(interrupted, holding.created)


class Written:
    """Lets through a number of requests that write, and holds back the answer of the next."""

    def __init__(self, number: int, writes: Callable[[Question], bool]) -> None:
        self.number, self.held, self.released = number, threading.Event(), threading.Event()
        self._writes = writes
        self._lock = threading.Lock()

    def done(self, question: Question) -> None:
        if not self._writes(question):
            return
        with self._lock:
            self.number -= 1
            last = self.number < 0
        if last:
            self.held.set()
            self.released.wait(LONGEST_HOLD)


@contextmanager
def holding(
    cloud: Any, folder: Path, number: int, writes: Callable[[Question], bool]
) -> Iterator[tuple[Written, dict[str, str]]]:
    """Yield what is held after so many writes, and the variables that lead to the APIs that hold it."""
    written = Written(number, writes)
    with both_apis(cloud, folder, lambda _: None, written.done) as variables:
        try:
            yield written, variables
        finally:
            written.released.set()
