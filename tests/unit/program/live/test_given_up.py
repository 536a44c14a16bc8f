"""Pods that hold back a stage between IRSA and EKS Pod Identity, or that a guard would refuse.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html: Pods keep what they were created with.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.look import conflicts
from tests.unit.program.live.scene import (
    HOST,
    arn,
    cluster,
    found,
    held_association,
    held_component,
    held_service_account,
    rules,
    whole,
)
from tests.world import OF_AGENT, OF_WEBHOOK

LOGICAL = f"team-a/app@{HOST}"
BOTH = {"irsa": "used", "podIdentity": "used"}
FORTH, BACK = {"irsa": "trusted", "podIdentity": "used"}, {"irsa": "used", "podIdentity": "trusted"}
VARIABLES = {"irsa": {**OF_WEBHOOK, "AWS_ROLE_ARN": arn("role", "app")}, "pods": OF_AGENT, "none": {}}


def pod(way: str, name: str = "app", service_account: str = "app", namespace: str = "team-a") -> dict[str, Any]:
    env = [{"name": key, "value": value} for key, value in VARIABLES[way].items()]
    owner = {"kind": "StatefulSet", "name": name, "controller": True}
    return {
        "metadata": {"name": f"{name}-{way}", "namespace": namespace, "ownerReferences": [owner]},
        "spec": {"serviceAccountName": service_account, "containers": [{"name": "main", "env": env}]},
    }


def state(identity: dict[str, str] | None) -> list[dict[str, Any]]:
    """The state of a deployed binding; `identity` as it was recorded, None for IRSA alone."""
    component = held_component("role/app", arn("role", "app"), "team-a/app", "app", identity)
    service_account = held_service_account(LOGICAL, "team-a", "app") | {"parent": component["urn"]}
    used = (identity or {}).get("podIdentity") == "used"
    associations = [held_association(LOGICAL, "a-1") | {"parent": component["urn"]}] if used else []
    return [component, service_account, *associations]


def judged(
    before: dict[str, str] | list[Any] | None, after: Any, *pods: dict[str, Any], **binding: Any
) -> list[LocatedMistake]:
    values = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}, "identity": after}
    held = before if isinstance(before, list) else state(before)
    every = found({"bindings": {"app": {**values, **binding}}}, in_cluster=cluster(pods=pods), state=held)
    return [each for each in every if each.rule.startswith("pods-")]


ALONE = {"podIdentity": "used"}
THEN_BOTH, THEN_BACK = "identity: both, and then restart", "identity: {irsa: used, podIdentity: trusted}, and then"


@pytest.mark.parametrize(
    ("before", "after", "way", "first"),
    [
        (BOTH, FORTH, "irsa", ""),
        (BOTH, "podIdentity", "irsa", ""),
        (FORTH, "podIdentity", "irsa", ""),
        (None, "podIdentity", "irsa", THEN_BOTH),
        (None, FORTH, "irsa", THEN_BOTH),
        (BOTH, "irsa", "pods", THEN_BACK),
        (BACK, "irsa", "pods", ""),
        (ALONE, "irsa", "pods", THEN_BACK),
    ],
)
def test_a_stage_that_pods_hold_back(before: Any, after: Any, way: str, first: str) -> None:
    (mistake,) = judged(before, after, pod(way), pod("none", "idle"), pod(way, "other", "other"))
    about = mistake.mistake

    assert rules([mistake]) == [("pods-hold-back", "bindings.app.identity")]
    assert about.found.startswith("the service account team-a/app has 1 Pod with")
    assert about.found.endswith(f": team-a/app-{way}")
    assert ("new Pods would not get" in about.found) is (after == FORTH)
    assert "kubectl rollout restart statefulset/app -n team-a" in about.fix
    assert first in about.fix
    assert bool(first) is ("first deploy" in about.fix)


@pytest.mark.parametrize(
    ("before", "after", "ways"),
    [
        *((*each, ("irsa", "pods")) for each in ((None, "irsa"), (FORTH, FORTH), (FORTH, "both"), (ALONE, "both"))),
        # They restarted.
        (BOTH, BACK, ("irsa",)),
    ],
)
def test_pods_that_hold_nothing_back(before: Any, after: Any, ways: tuple[str, ...]) -> None:
    assert judged(before, after, *map(pod, (*ways, "none"))) == []


def test_the_way_back_has_a_deadline() -> None:
    """The agent drops the credentials of Pods whose association goes, when EKS answers ResourceNotFound.

    It can't be refused: while there is an association, new Pods get these credentials alone.
    https://github.com/aws/eks-pod-identity-agent: internal/credsretriever/refreshing_cache.go
    """
    (mistake,) = judged(BOTH, BACK, pod("pods"), pod("pods", "two"), pod("irsa", "three"))

    assert rules([mistake]) == [("pods-must-restart", "bindings.app.identity")]
    assert mistake.mistake.found.startswith("the service account team-a/app has 2 Pods with")
    assert mistake.mistake.fix.startswith("right after `pulumi up`, restart its Pods: kubectl rollout restart")


def test_a_role_that_is_adopted() -> None:
    service_account = {"name": "app", "namespace": "team-a", "create": False}
    new: list[Any] = []

    assert judged(new, "podIdentity", pod("irsa"), serviceAccount=service_account) == []
    (mistake,) = judged(new, "podIdentity", pod("irsa"), serviceAccount=service_account, **{"import": ["role"]})
    assert mistake.rule == "pods-hold-back"


def test_a_subject_without_an_association() -> None:
    subjects = {"trust": {"subjects": ["team-b:other"]}}
    other = pod("irsa", "other", "other", "team-b")
    (mistake,) = judged(BOTH, "podIdentity", pod("pods"), other, **subjects)

    assert rules([mistake]) == [("pods-hold-back", "bindings.app.trust.subjects")]
    assert "team-b/other" in mistake.mistake.found
    # It may have another role of its own; and while the statement is there, it goes on.
    elsewhere = json.loads(json.dumps(other).replace(arn("role", "app"), arn("role", "own")))
    assert judged(BOTH, "podIdentity", pod("pods"), elsewhere, **subjects) == []
    assert judged(BOTH, FORTH, pod("pods"), other, **subjects) == []


# What a guard would refuse, and what is in its way


APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}}
BLUE, GREEN = ({"name": name, "kubernetes": {"context": name}} for name in ("blue", "green"))
SYSTEM = ("default", "team-a", "kube-system")


def guarded(guard: Any, *pods: dict[str, Any], state: Any = (), **there: Any) -> list[LocatedMistake]:
    """Return what is found of a guard, where its cluster has these Pods and this."""
    reads = replace(cluster(namespaces=SYSTEM, pods=pods), **there)
    return conflicts(whole({"bindings": {"app": APP}, "guard": guard}, state, clusters={"cluster": reads}))


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("clusters", [{}, {"clusters": {"blue": BLUE, "green": {**GREEN, "guard": "deny"}}}])
@pytest.mark.parametrize("namespaces", [{}, {"guards": True}, {"guards": False}, None])
def test_the_namespace_of_its_config_maps(
    clusters: dict[str, Any], create: bool, namespaces: dict[str, bool] | None
) -> None:
    account = {**APP["serviceAccount"], "namespace": "guards", "createNamespace": create}
    values = {**clusters, "bindings": {"app": {**APP, "serviceAccount": account}}}
    there = replace(cluster(), namespaces=namespaces and {"kube-system": False, **namespaces})
    stack = whole(
        {"guard": {"mode": "warn", "namespace": "guards"}, **values}, clusters={"cluster": there, "blue": there}
    )
    places = [(*each.place, each.rule) for each in conflicts(stack)]
    is_missing = namespaces is not None and namespaces.get("guards", not create)

    assert (("guard", "namespace", "namespace-missing") in places) is is_missing
