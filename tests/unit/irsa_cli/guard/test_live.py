"""Who is guarded in a cluster, by its bindings and ConfigMaps."""

from typing import Any

import pytest

from irsa_world.live.guards import guards_of
from irsa_world.model import Guarded
from tests.unit.irsa_cli.guard.guarded import CONFIG_MAP, POLICY, ROLE, StubCluster, binding, live

BINDINGS = "validatingadmissionpolicybindings"
DENIED, WARNED = {("web", "app"): [Guarded("shop-prod", "deny", ROLE)]}, ("kube-system", "aws-node")


def test_each_namespace_has_the_mode_of_its_binding() -> None:
    cluster: Any = StubCluster()

    assert guards_of(cluster) == {**DENIED, WARNED: [Guarded("shop-prod", "warn", ROLE)]}


def selectors(cluster: Any) -> list[Any]:
    return [each["spec"]["matchResources"]["namespaceSelector"] for each in cluster.objects[BINDINGS].values()]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.objects[BINDINGS].clear(),
        lambda c: c.objects["configmaps"].clear(),
        lambda c: c.objects["configmaps"][CONFIG_MAP].update(data={"web.app": "damaged"}),
        lambda c: [each["spec"].update(validationActions=[]) for each in c.objects[BINDINGS].values()],
        lambda c: [each["spec"].update(policyName="another") for each in c.objects[BINDINGS].values()],
        lambda c: [each["spec"].pop("paramRef") for each in c.objects[BINDINGS].values()],
        lambda c: [each["spec"].pop("matchResources") for each in c.objects[BINDINGS].values()],
        lambda c: [each.update(matchLabels={"a": "b"}) for each in selectors(c)],
        lambda c: [each["matchExpressions"][0].update(operator="NotIn") for each in selectors(c)],
        lambda c: c.unknown.add(BINDINGS),
    ],
)
def test_what_guards_nobody(change: Any) -> None:
    cluster: Any = StubCluster()
    change(cluster)

    assert guards_of(cluster) == {}


def test_several_stacks_may_guard_one() -> None:
    cluster: Any = StubCluster()
    name = "irsa-guard-other-identity"
    other = live(name, spec=binding("Warn", "web", policy=name))
    other["metadata"]["labels"]["irsa/guard"] = "other"
    cluster.objects[BINDINGS][name] = other

    assert guards_of(cluster)["web", "app"] == [Guarded("shop-prod", "deny", ROLE), Guarded("other", "warn", ROLE)]
    # Whose ConfigMap may not be read: whom it guards is not known, and only of that one.
    other["spec"]["paramRef"]["namespace"] = "foreign"
    assert guards_of(cluster) == {
        **DENIED,
        WARNED: [Guarded("shop-prod", "warn", ROLE)],
        ("web", ""): [Guarded("other")],
    }
    assert POLICY in cluster.objects[BINDINGS]
