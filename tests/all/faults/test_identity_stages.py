"""The engine is killed at each step from IRSA to EKS Pod Identity and back: no Pod is without credentials.

A kill is at each request that writes, when AWS or Kubernetes has done it and the engine has not heard of it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.all.faults.held import holding, writes
from tests.all.faults.interruption import interrupt
from tests.all.faults.recovery import recover
from tests.sandbox.pods import Pods
from tests.sandbox.project import Project
from tests.sandbox.test_pod_identity import STAGED, STAGES, left_out

pytestmark = pytest.mark.sandbox

# Without FAULTS=all, each step is killed at its first write.
EVERY = os.environ.get("FAULTS") == "all"


def test_no_pod_is_without_credentials_whenever_the_engine_is_killed(
    cloud: Any, deploy: Callable[..., Project], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    project, pods, before = deploy({"bindings": {"app": STAGED}}), Pods(cloud, "default", "staged"), "irsa"

    def declare(identity: Any) -> None:
        project.set({"bindings": {"app": {**STAGED, "identity": identity}}})

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
