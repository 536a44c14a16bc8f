"""What a guard would refuse, and what is in its way."""

from dataclasses import replace
from typing import Any

import pytest

from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.look import conflicts
from irsa_world.model import Guarded
from tests.sandbox.guard_pods import token
from tests.unit.program.live.scene import arn, cluster, rules, whole
from tests.unit.program.live.test_stages import pod

APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}}
BLUE, GREEN = ({"name": name, "kubernetes": {"context": name}} for name in ("blue", "green"))
SYSTEM = ("default", "team-a", "kube-system")


def judged(guard: Any, *pods: dict[str, Any], state: Any = (), **there: Any) -> list[LocatedMistake]:
    """Return what is found of a guard, where its cluster has these Pods and this."""
    reads = replace(cluster(namespaces=SYSTEM, pods=pods), **there)
    return conflicts(whole({"bindings": {"app": APP}, "guard": guard}, state, clusters={"cluster": reads}))


def test_which_running_pods_would_be_refused() -> None:
    others = [pod("irsa"), pod("none", service_account="other"), pod("none", namespace="team-b")]
    others[0]["spec"]["volumes"] = [token("sts.amazonaws.com")]
    (mistake,) = judged("deny", pod("none", "web"), *(pod("none", f"w{number}") for number in range(6)), *others)

    assert rules([mistake]) == [("guard-refuses", "bindings.app")]
    about = "the service account team-a/app has 7 Pods without an AWS identity: team-a/"
    assert mistake.mistake.found.startswith(about)
    assert "restart them: kubectl rollout restart statefulset/web -n team-a; " in mistake.mistake.fix


@pytest.mark.parametrize(
    ("guard", "does"),
    [
        ("deny", "the guard refuses"),
        ({"mode": "deny", "namespaces": {"team-a": "warn"}}, "the guard warns"),
        ({"mode": "warn", "namespaces": {"team-a": "deny"}}, "the guard refuses"),
        ({"mode": "deny", "namespaces": {"team-a": "off"}}, None),
        ("off", None),
    ],
)
def test_what_the_guard_does_there(guard: Any, does: str | None) -> None:
    mistakes = judged(guard, pod("none", "web"))

    assert [each.rule for each in mistakes] == ([] if does is None else ["guard-refuses"])
    assert does is None or does in mistakes[0].mistake.found


OTHER = {(each, "api"): [Guarded("shop-prod", "deny", arn("role", "api"))] for each in ("team-a", "team-b")}
OWN = {
    "urn": "urn:pulumi:prod::irsa::kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding::x",
    "type": "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
    "inputs": {"metadata": {"name": "x", "labels": {"irsa/guard": "shop-prod"}}},
}


def test_another_stack_that_guards_a_namespace_is_named() -> None:
    (mistake,) = judged("deny", guards=OTHER)

    assert rules([mistake]) == [("guarded-twice", "guard")]
    assert "shop-prod" in mistake.mistake.found
    assert "namespaces: {team-a: off}" in mistake.mistake.fix
    for nothing in ({"guards": {("team-b", "api"): OTHER["team-b", "api"]}}, {"guards": OTHER, "state": [OWN]}):
        assert judged("deny", **nothing) == []


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
