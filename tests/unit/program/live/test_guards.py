from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from config.located_mistake import LocatedMistake
from irsa_world.model import Guarded
from program.live.guards import guarded_twice, missing_namespaces, unguarded_pods
from program.live.planned import planned_components
from program.live.reads import Reads
from program.plan import plan
from tests.sandbox.guard_pods import token
from tests.unit.program.live.scene import arn, cluster, held, lookups_of, rules, stack_of
from tests.unit.program.live.test_stages import pod

APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}}
BLUE, GREEN = ({"name": name, "kubernetes": {"context": name}} for name in ("blue", "green"))


def planned(values: Mapping[str, Any]) -> Any:
    stack = stack_of({"bindings": {"app": APP}, **values})
    return stack, plan(stack, lookups_of(stack)).guards


def refused(guard: Any, *pods: dict[str, Any], **values: Any) -> list[LocatedMistake]:
    """Return what is found of the Pods of each cluster, where they are the same."""
    stack, guards = planned({"guard": guard, **values})
    reads = Reads({}, dict.fromkeys(stack.clusters_by_key, cluster(pods=pods)))
    return [*unguarded_pods(stack, guards, reads)]


BARE = pod("none", "web")


def test_which_running_pods_would_be_refused() -> None:
    others = [pod("irsa"), pod("none", service_account="other"), pod("none", namespace="team-b")]
    others[0]["spec"]["volumes"] = [token("sts.amazonaws.com")]
    (mistake,) = refused("deny", BARE, *(pod("none", f"w{number}") for number in range(6)), *others)

    assert rules([mistake]) == [("guard-refuses", "bindings.app")]
    assert mistake.mistake.found == (
        "7 Pods of the service account team-a/app have no AWS identity: team-a/web-none, team-a/w0-none, "
        "team-a/w1-none, team-a/w2-none, team-a/w3-none, and 2 more; the guard refuses them when created again"
    )
    assert "restart them: kubectl rollout restart statefulset/web -n team-a; " in mistake.mistake.fix


def test_a_container_that_another_webhook_adds_is_not_fixed_by_a_restart() -> None:
    with_sidecar = pod("irsa", "mesh")
    with_sidecar["spec"]["volumes"] = [token("sts.amazonaws.com")]
    with_sidecar["spec"]["containers"].append({"name": "istio-proxy"})
    (alone,) = refused("deny", with_sidecar)
    (both,) = refused("deny", with_sidecar, BARE)

    assert alone.mistake.fix == (
        "if another webhook adds istio-proxy after the Pod Identity webhook, name it in eks.amazonaws.com/skip-"
        "containers, an annotation of the Pod template, or write namespaces: {team-a: warn} in irsa:guard"
    )
    assert both.mistake.fix.startswith(f"{alone.mistake.fix}; after `pulumi up`, restart the others: kubectl")
    assert "statefulset/mesh" not in both.mistake.fix


WARNS = "the guard warns of it when created again, and mode: deny would refuse it"


@pytest.mark.parametrize(
    ("guard", "does"),
    [
        ("deny", "the guard refuses it when created again"),
        ("warn", WARNS),
        (
            {"mode": "deny", "namespaces": {"team-a": "warn"}},
            WARNS,
        ),
        ({"mode": "warn", "namespaces": {"team-a": "deny"}}, "the guard refuses it when created again"),
        ({"mode": "deny", "namespaces": {"team-a": "off"}}, None),
        ("off", None),
    ],
)
def test_what_the_guard_does_there(guard: Any, does: str | None) -> None:
    found = [each.mistake.found for each in refused(guard, BARE)]

    assert found == ([] if does is None else [found[0]])
    assert does is None or found[0].endswith(f"team-a/web-none; {does}")


def shared(guards: Any, state: Any = (), **values: Any) -> list[LocatedMistake]:
    stack, of_plan = planned({"guard": "deny", **values})
    reads = Reads({}, {"cluster": replace(cluster(), guards=guards)})
    return [*guarded_twice(stack, of_plan, reads, held(state))]


OTHER = {
    ("team-a", "api"): [Guarded("shop-prod", "deny", arn("role", "api"))],
    ("team-b", "api"): [Guarded("shop-prod", "deny", arn("role", "api"))],
}


def test_another_stack_that_guards_a_namespace_is_named() -> None:
    (mistake,) = shared(OTHER)

    assert rules([mistake]) == [("guarded-twice", "guard")]
    assert mistake.mistake.found == "the guard of stack shop-prod guards the namespace team-a already"
    assert "namespaces: {team-a: off}" in mistake.mistake.fix
    assert shared({("team-b", "api"): OTHER["team-b", "api"]}) == []
    assert shared(None) == []


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("clusters", [{}, {"clusters": {"blue": BLUE, "green": {**GREEN, "guard": "deny"}}}])
def test_the_namespace_of_its_config_maps(clusters: dict[str, Any], create: bool) -> None:
    account = {**APP["serviceAccount"], "namespace": "guards", "createNamespace": create}
    values = {**clusters, "bindings": {"app": {**APP, "serviceAccount": account}}}
    stack = stack_of({"guard": {"mode": "warn", "namespace": "guards"}, **values})
    lookups = lookups_of(stack)
    of_plan = plan(stack, lookups)

    def found(namespaces: dict[str, bool] | None) -> list[str]:
        reads = Reads({}, dict.fromkeys(stack.clusters_by_key, replace(cluster(), namespaces=namespaces)))
        components = planned_components(stack, of_plan, lookups, reads)
        return [each.mistake.found for each in missing_namespaces(stack, of_plan.guards, components, reads)]

    where = " in the cluster blue" if clusters else ""
    missing = [] if create else [f"the namespace guards does not exist{where}"]
    assert found({"kube-system": False}) == missing
    assert found({"guards": False, "kube-system": False}) == found(None) == []
    assert found({"guards": True, "kube-system": False}) == (
        [] if create else [f"the namespace guards is being deleted{where}"]
    )


def test_its_own_guard_is_no_other() -> None:
    binding = {
        "urn": "urn:pulumi:prod::irsa::kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding::x",
        "type": "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
        "inputs": {"metadata": {"name": "x", "labels": {"irsa/guard": "shop-prod"}}},
    }

    assert shared(OTHER, [binding]) == []
