"""The engine is killed at each step of a guard's life, and of each change of what it knows: no right Pod is refused.

A kill is at each request that writes, when AWS or Kubernetes has done it and the engine has not heard of it. A Pod is
right with the identity that its service account has at that moment, be it none.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from sandbox.pod_identity_webhook import injected
from tests.all.faults.kills import EVERY, kill
from tests.all.faults.recovery import recover
from tests.sandbox.admission import PODS, ApiServer, caught_up
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import Project
from tests.sandbox.test_guard import pod

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]

Settings = dict[str, Any]

# The administrator's name in the sandbox's API server.
RULE = {"annotations": {"mode": "deny", "users": ["admin"]}}


def binding(own: str, account: Settings | None = None, **keys: Any) -> Settings:
    policies = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    return {"serviceAccount": {"name": f"guarded-{own}", **(account or {})}, "policyArns": policies, **keys}


def named(own: str, account: Settings | None = None, **role: Any) -> Settings:
    return binding(own, account, role={"name": f"guarded-{own}", **role})


APP, OTHER, AUTOMATIC, FORMER = binding("app"), named("other"), binding("key"), binding("former")
EXISTING, PODS_OF_EXISTING = ({"create": False, "name": f"guarded-existing-{each}"} for each in ("irsa", "pods"))
# What is changed at once: the guard and the bindings, before and after, walked there and back. A move to another
# cluster is one of these to either cluster: its first service account comes, or its last one goes.
BEFORE = {
    "app": APP,
    "role": named("role"),
    # Without policies: after a kill, `irsa verify` asks for a refresh before they are attached to such a role again.
    "path": {**named("path", path="/a/"), "policyArns": []},
    "old": AUTOMATIC,
    "before": FORMER,
    "name": named("name"),
    "move": named("move"),
    "both": named("both"),
    "pods": named("pods"),
}
AFTER = {
    "app": APP,
    "other": OTHER,
    "role": named("role", name="guarded-role-2"),
    "path": {**named("path", path="/b/"), "policyArns": []},
    "new": AUTOMATIC,
    "after": {**FORMER, "formerly": "before"},
    "name": named("name", {"name": "guarded-name-2"}),
    "move": named("move", {"namespace": "team-a"}),
    "both": {**named("both"), "identity": "both"},
    "pods": {**named("pods"), "identity": "podIdentity"},
    "existing": named("existing", EXISTING),
    "existing-pods": {**named("existing-pods", PODS_OF_EXISTING), "identity": "podIdentity"},
}
# The guard is switched on with all of it, and off on the way back.
BEFORE_ALL = {"bindings": BEFORE}
AFTER_ALL = {"guard": {"mode": "deny", "namespace": "team-b", **RULE}, "bindings": AFTER}
# Without FAULTS=all, where all kills take about half an hour: at which writes the engine is killed.
USUAL = (1, 8)


def refused(server: ApiServer) -> list[str]:
    caught_up(server)
    answers = []
    for account in server.kubernetes.list(ServiceAccount, namespace="*"):
        metadata = account.metadata
        assert metadata is not None
        name, namespace = str(metadata.name), str(metadata.namespace)
        if not name.startswith("guarded-"):
            continue
        found = server.cloud.aws("eks").list_pod_identity_associations(
            clusterName=CLUSTER, namespace=namespace, serviceAccount=name
        )
        right = injected(pod(name), metadata.annotations or {}, bool(found["associations"]))
        answers.append(server.create(PODS, right, namespace))
    return [each.refusal for each in answers if each.refusal]


def unguarded(server: ApiServer, project: Project, guard: Any) -> list[str]:
    bindings = project.outputs()["bindings"].values() if guard and guard["mode"] == "deny" else ()
    places = [(each["namespace"], each["serviceAccount"]) for each in bindings]
    answers = {name: server.create(PODS, pod(name), namespace) for namespace, name in places}
    return [name for name, each in answers.items() if "has no AWS identity" not in str(each.refusal)]


def killed(project: Project, new: Settings, number: int) -> bool:
    server = ApiServer(project.cloud)
    project.set(new)
    met = kill(project, number=number)
    assert refused(server) == [], f"killed at write {number + 1}"
    if met.processes:
        recover(project, met)
        assert refused(server) == [], f"recovered from write {number + 1}"
    assert unguarded(server, project, new.get("guard")) == []
    return bool(met.processes)


@pytest.mark.usefixtures("existing")
def test_no_right_pod_is_refused_whenever_the_engine_is_killed(deploy: Callable[..., Project]) -> None:
    project = deploy(BEFORE_ALL)
    project.up()
    for number in itertools.count() if EVERY else USUAL:
        # There and back.
        found = [killed(project, new, number) for new in (AFTER_ALL, BEFORE_ALL)]
        if not any(found):
            break
    assert project.up() == {}


@pytest.fixture
def existing(cloud: Any) -> Any:
    for each in (EXISTING, PODS_OF_EXISTING):
        assert cloud.kubectl("create", "sa", each["name"]).returncode == 0
    yield
    for each in (EXISTING, PODS_OF_EXISTING):
        cloud.kubectl("delete", "sa", each["name"])
