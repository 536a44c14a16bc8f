"""The engine is killed at each step from IRSA to EKS Pod Identity and back: no Pod is without credentials.

A kill is at each request that writes, when AWS or Kubernetes has done it and the engine has not heard of it.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.all.faults.interruption import interrupt
from tests.all.faults.recovery import recover
from tests.sandbox.failing_api import Question, failing_api
from tests.sandbox.pods import Pods
from tests.sandbox.project import Project
from tests.sandbox.test_pod_identity import STAGED, STAGES

pytestmark = pytest.mark.sandbox

LONGEST_HOLD = 300.0


def writes(question: Question) -> bool:
    if question.action:
        return question.action.startswith(("Create", "Attach", "Put", "Update", "Delete", "Detach"))
    objects = ("/pod-identity-associations", "/serviceaccounts")
    return question.method != "GET" and any(each in question.path for each in objects)


class Written:
    """Lets through a number of requests that write, and holds back the answer of the next."""

    def __init__(self, number: int) -> None:
        self.number, self.held, self.released = number, threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def done(self, question: Question) -> None:
        if not writes(question):
            return
        with self._lock:
            self.number -= 1
            last = self.number < 0
        if last:
            self.held.set()
            self.released.wait(LONGEST_HOLD)


@contextmanager
def holding(cloud: Any, folder: Path, number: int) -> Iterator[tuple[Written, dict[str, str]]]:
    """Yield what is held after so many writes, and the variables that lead to the APIs that hold it."""
    written = Written(number)
    config = json.loads(cloud.sandbox.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    certificate = str(cloud.sandbox.kubernetes / "certificates" / "apiserver.crt")
    with (
        failing_api(lambda _: None, cloud.aws_address, written.done) as aws,
        failing_api(lambda _: None, server, written.done, certificate) as kubernetes,
    ):
        config["clusters"][0]["cluster"] = {"server": kubernetes}
        file = folder / "kubeconfig-that-holds"
        file.write_text(json.dumps(config))
        try:
            yield written, {"AWS_ENDPOINT_URL": aws, "KUBECONFIG": str(file)}
        finally:
            written.released.set()


def test_no_pod_is_without_credentials_whenever_the_engine_is_killed(
    cloud: Any, deploy: Callable[..., Project], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """Protects Pods in the middle of a stage: those that run and a new one have credentials, the agent's cache counted.

    After the documented recovery the stage is complete.
    """
    project, pods = deploy({"bindings": {"app": STAGED}}), Pods(cloud, "default", "staged")
    project.up()
    before: Any = "irsa"
    for _ in range(2):
        pods.start()
    kills = []
    for identity, changes, restart, _ in STAGES:
        for number in range(sum(changes.values())):
            project.set({"bindings": {"app": {**STAGED, "identity": before}}})
            project.up()
            project.set({"bindings": {"app": {**STAGED, "identity": identity}}})
            assert pods.without_credentials() == []
            with holding(cloud, tmp_path, number) as (written, variables):
                interrupted = interrupt(project, "up", when=written.held.is_set, **variables)
            assert interrupted.killed, f"{before} to {identity} has no write {number + 1}"
            new = pods.start()
            assert pods.without_credentials() == [], f"{before} to {identity}, killed at write {number + 1}"
            recover(project, interrupted)
            assert project.up() == {}
            assert pods.without_credentials() == []
            pods.stop(new)
            kills.append(f"{before} to {identity} at write {number + 1}")
        if restart:
            pods.restart()
        before = identity
        assert pods.without_credentials() == []
    for name in [*pods.names]:
        pods.stop(name)
    record_property("faults", f"{len(kills)} kills: {', '.join(kills)}")
