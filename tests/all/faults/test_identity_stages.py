"""The engine is killed at each step from IRSA to EKS Pod Identity and back: no Pod is without credentials.

A kill is at each request that writes, when AWS or Kubernetes has done it and the engine has not heard of it.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.all.faults.held import holding
from tests.all.faults.interruption import interrupt
from tests.all.faults.recovery import recover
from tests.all.sandbox.test_pod_identity_settings import SESSION
from tests.sandbox.failing_api import Question
from tests.sandbox.irsa_command import PROVIDER
from tests.sandbox.pods import CLUSTER, Pods
from tests.sandbox.project import Program, Project, Stack
from tests.sandbox.test_pod_identity import STAGED, STAGES, left_out

pytestmark = pytest.mark.sandbox

# Without FAULTS=all, each step is killed at its first write.
EVERY = os.environ.get("FAULTS") == "all"
# A stack whose program and settings are written for a way to the role.
Door = tuple[Stack, Callable[[Any], None]]


@pytest.fixture(params=["stack file", pytest.param("component", marks=pytest.mark.long)])
def door(request: Any, cloud: Any, deploy: Callable[..., Project], tmp_path: Path) -> Iterator[Door]:
    """Both front doors: the stack file, and the component in a program of one's own."""
    if request.param == "stack file":
        project = deploy({"bindings": {"app": STAGED}})
        yield project, lambda identity: project.set({"bindings": {"app": {**STAGED, "identity": identity}}})
        return
    own = Program(cloud, tmp_path / "own")
    yield own, lambda identity: own.write(program(identity))
    own.clean_up()


def program(identity: Any) -> str:
    args: dict[str, Any] = {
        "service_account": {"name": "staged"},
        "role": {"name": "staged-role"},
        "identity": identity,
    }
    args["policy"] = {"document": SESSION}
    if identity != "podIdentity":
        args["oidc_provider_arns"] = [PROVIDER]
    if identity != "irsa":
        args["cluster_arns"] = {"cluster": f"arn:aws:eks:us-west-2:111122223333:cluster/{CLUSTER}"}
    return f"from irsa import ServiceAccountRole\n\nServiceAccountRole('app', {args!r})\n"


def writes(question: Question) -> bool:
    if question.action:
        return question.action.startswith(("Create", "Attach", "Put", "Update", "Delete", "Detach"))
    objects = ("/pod-identity-associations", "/serviceaccounts")
    return question.method != "GET" and any(each in question.path for each in objects)


def test_no_pod_is_without_credentials_whenever_the_engine_is_killed(
    cloud: Any, door: Door, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    (project, declare), pods, before = door, Pods(cloud, "default", "staged"), "irsa"
    declare(before)
    project.up()
    for _ in range(2):
        pods.start()
    kills = []
    for identity, changes, restart, _ in STAGES:
        for number in range(sum(changes.values()) if EVERY else 1):
            declare(before)
            project.up()
            declare(identity)
            assert pods.without_credentials() == []
            with holding(cloud, tmp_path, number, writes) as (written, variables):
                interrupted = interrupt(project, "up", when=written.held.is_set, **variables)
            assert interrupted.killed, f"{before} to {identity} has no write {number + 1}"
            new = pods.start()
            assert left_out(pods, identity) == [], f"{before} to {identity}, killed at write {number + 1}"
            recover(project, interrupted)
            assert project.up() == {}
            assert left_out(pods, identity) == []
            pods.stop(new)
            kills.append(f"{before} to {identity} at write {number + 1}")
        if restart:
            pods.restart()
        before = identity
        assert pods.without_credentials() == []
    for name in [*pods.names]:
        pods.stop(name)
    record_property("faults", f"{len(kills)} kills: {', '.join(kills)}")
