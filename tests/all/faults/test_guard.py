"""The engine is killed at each step of a guard's life: no Pod that would be right is refused.

A kill is at each request that writes, when AWS or Kubernetes has done it and the engine has not heard of it.
"""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from tests.all.faults.held import holding
from tests.all.faults.interruption import interrupt
from tests.all.faults.recovery import recover
from tests.sandbox.admission import PODS, ApiServer, eventually
from tests.sandbox.failing_api import Question
from tests.sandbox.project import Project
from tests.sandbox.webhook import injected

pytestmark = pytest.mark.sandbox

# All kills take six minutes.
EVERY = 1 if os.environ.get("FAULTS") == "all" else 5
READ_ONLY = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
APP = {**READ_ONLY, "serviceAccount": {"name": "guarded"}}
OTHER = {**READ_ONLY, "serviceAccount": {"name": "guarded-too"}, "role": {"name": "guarded-too"}}
# Switched on, stricter, with one more, with another role, with one less, and off.
LIFE: list[tuple[str, dict[str, Any]]] = [
    ("off", {"bindings": {"app": APP}}),
    ("warn", {"guard": "warn", "bindings": {"app": APP}}),
    ("deny", {"guard": "deny", "bindings": {"app": APP}}),
    ("one more", {"guard": "deny", "bindings": {"app": APP, "other": OTHER}}),
    ("another role", {"guard": "deny", "bindings": {"app": APP, "other": {**OTHER, "role": {"name": "guarded-2"}}}}),
    ("one less", {"guard": "deny", "bindings": {"app": APP}}),
    ("off again", {"bindings": {"app": APP}}),
]


def writes(question: Question) -> bool:
    if question.action:
        return question.action.startswith(("Create", "Attach", "Put", "Update", "Delete", "Detach"))
    objects = ("/serviceaccounts", "/configmaps", "/validatingadmissionpolic")
    return question.method != "GET" and any(each in question.path for each in objects)


def bare_pod(name: str) -> dict[str, Any]:
    """Return a Pod that the webhook has not seen."""
    spec = {"serviceAccountName": name, "containers": [{"name": "app", "image": "app"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-"}, "spec": spec}


def pod_of(cloud: Any, name: str) -> dict[str, Any] | None:
    """Return a Pod as the webhook makes it for a service account as it is now; None where there is none."""
    accounts = {each.metadata.name: each for each in cloud.kubernetes().list(ServiceAccount, namespace="default")}
    if name not in accounts:
        return None
    return injected(bare_pod(name), accounts[name].metadata.annotations or {}, has_association=False)


def refused(cloud: Any, server: ApiServer) -> list[str | None]:
    """Return why Pods that are right are refused."""
    pods = [pod for name in ("guarded", "guarded-too") if (pod := pod_of(cloud, name)) and pod["spec"].get("volumes")]
    answers = [server.create(PODS, pod, "default") for pod in pods]
    return [each.refusal for each in answers if each.refusal]


def test_no_right_pod_is_refused_whenever_the_engine_is_killed(
    cloud: Any, deploy: Callable[..., Project], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """Protects Pods while a guard is switched on, changed or switched off; after the recovery it is as declared."""
    server = ApiServer(cloud)
    kills: list[str] = []
    for (before, old), (after, new) in itertools.pairwise(LIFE):
        project = deploy(old)
        project.up()
        number = 0 if EVERY == 1 else len(kills) % EVERY
        while True:
            project.set(old)
            project.up()
            project.set(new)
            with holding(cloud, tmp_path, number, writes) as (written, variables):
                interrupted = interrupt(project, "up", when=written.held.is_set, **variables)
            assert refused(cloud, server) == [], f"{before} to {after}, killed at write {number + 1}"
            if not interrupted.killed:
                break
            recover(project, interrupted)
            assert project.up() == {}
            assert refused(cloud, server) == []
            kills.append(f"{before} to {after} at write {number + 1}")
            number += EVERY
        if new.get("guard") == "deny":
            answer = eventually(
                lambda: server.create(PODS, bare_pod("guarded"), "default"), lambda each: bool(each.refusal)
            )
            assert "default/guarded has no AWS identity" in str(answer.refusal)
        project.destroy()
    record_property("faults", f"{len(kills)} kills: {', '.join(kills)}")
