"""The engine is killed at each step from IRSA to EKS Pod Identity and back: no Pod is without credentials.

A kill is at each request that writes, when AWS or Kubernetes has done it and the engine has not heard of it.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.all.faults.kills import EVERY, kill
from tests.all.faults.recovery import recover
from tests.sandbox.pods import Pods
from tests.sandbox.project import Project
from tests.sandbox.test_pod_identity import STAGED, STAGES, left_out

pytestmark = pytest.mark.sandbox

# Without FAULTS=all, by stage: a kill at the new association, at the annotation, and at the association that goes.
USUAL = {0: (1,), 1: (0,), 4: (0,)}


def test_no_pod_is_without_credentials_whenever_the_engine_is_killed(
    cloud: Any, deploy: Callable[..., Project]
) -> None:
    project, pods, before = deploy({"bindings": {"app": STAGED}}), Pods(cloud, "default", "staged"), "irsa"

    def declare(identity: Any) -> None:
        project.set({"bindings": {"app": {**STAGED, "identity": identity}}})

    declare(before)
    project.up()
    for _ in range(2):
        pods.start()
    for stage, (identity, changes, restart, _) in enumerate(STAGES):
        numbers = range(sum(changes.values())) if EVERY else USUAL.get(stage, ())
        for number in numbers:
            declare(before)
            project.up()
            declare(identity)
            assert pods.without_credentials() == []
            killed = kill(project, number=number)
            assert killed.processes, f"{before} to {identity} has no write {number + 1}"
            new = pods.start()
            assert left_out(pods, identity) == [], f"{before} to {identity}, killed at write {number + 1}"
            recover(project, killed)
            assert left_out(pods, identity) == []
            pods.stop(new)
        declare(identity)
        assert project.up() == ({} if numbers else changes)
        if restart:
            pods.restart()
        before = identity
        assert pods.without_credentials() == []
    for name in [*pods.names]:
        pods.stop(name)
