import re
from collections.abc import Callable
from typing import Any

import pytest

from irsa import IdentityGuard, InvalidArgumentsError
from tests.component.conftest import output

POLICY = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"
BINDING, CONFIG_MAP = f"{POLICY}Binding", "kubernetes:core/v1:ConfigMap"
ROLE = "arn:aws:iam::111122223333:role/app"
APP: Any = {"name": "app", "namespace": "team-a", "role_arn": ROLE}


@pytest.fixture
def created(registered: Any) -> Callable[[Any], list[Any]]:
    return lambda args: list(registered(lambda: IdentityGuard("guard", args)))


def of(registrations: list[Any], kind: str) -> dict[str, Any]:
    return {each.inputs["metadata"].get("name"): each for each in registrations if each.type == kind}


def test_two_clusters_in_one_program(registered: Any) -> None:
    def program() -> None:
        for cluster in ("guard@blue", "guard@oidc.eks.us-west-2.amazonaws.com/id/GREEN"):
            IdentityGuard(cluster, {"mode": "warn", "stack": "mine", "service_accounts": [APP]})

    names = [(each.type, each.name) for each in registered(program)]
    assert len(names) == len(set(names))
    # Of it Kubernetes makes the ConfigMap's name: https://kubernetes.io/docs/concepts/overview/working-with-objects/names
    assert all(re.fullmatch(r"[a-z0-9-]{1,240}", name) for kind, name in names if kind == CONFIG_MAP)


def test_outputs_of_a_role(created: Callable[[Any], list[Any]]) -> None:
    later = APP | {"role_arn": output(ROLE), "audience": output("sts.amazonaws.com")}
    found = created({"mode": "deny", "stack": "mine", "service_accounts": [later]})
    [config_map] = of(found, CONFIG_MAP).values()
    assert config_map.inputs["data"] == {"team-a.app": f"irsa sts.amazonaws.com {ROLE}"}
    spec = of(found, BINDING)["irsa-guard-mine-identity"].inputs["spec"]
    assert spec["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"] == ["team-a"]


def test_a_program_may_change_its_arguments_for_the_next_guard(registered: Any) -> None:
    """Attack: one list in a loop: the first guard had the service accounts of the last one."""
    args: Any = {"mode": "warn", "service_accounts": [{**APP, "role_arn": output(ROLE)}]}

    def program() -> None:
        for stack in ("first", "last"):
            args["stack"] = args["service_accounts"][0]["name"] = stack
            IdentityGuard(stack, args)

    found = [each.inputs["data"] for each in registered(program) if each.type == CONFIG_MAP]
    assert sorted(map(list, found)) == [["team-a.first"], ["team-a.last"]]


@pytest.mark.parametrize(
    ("change", "place", "word"),
    [
        ({"mode": "denied"}, "mode", "did you mean 'deny'?"),
        ({"mode": output("deny")}, "mode", "an output"),
        ({"namespaces": {"kube-system": "no"}}, "namespaces.kube-system", "off, warn, deny"),
        ({"service_accounts": [{**APP, "role_arn": "app"}]}, "service_accounts[0].role_arn", "an ARN such as"),
        ({"service_accounts": [APP, {**APP, "role_arn": f"{ROLE}-2"}]}, "service_accounts", "twice"),
        ({"service_accounts": APP}, "service_accounts", "write a list"),
        ({"annotations": {"mode": "deny"}}, "annotations", "name the deployer"),
        ({"annotations": {"mode": "deny", "groups": ["a\nb"]}}, "annotations.groups[0]", "a name on one line"),
        ({"annotations": {"mode": "deny", "user_prefixes": ["a/*"]}}, "annotations.user_prefixes[0]", "remove the *"),
        ({"annotations": {"mode": "deny", "users": ["u" * 999] * 999}}, "annotations", "a prefix or a group"),
        ({"service_accounts": [{**APP, "name": "x" * 253}]}, "service_accounts", "259 characters"),
        ({"service_accounts": [APP, {**APP, "role_arn": output(ROLE)}]}, "service_accounts", "twice"),
        ({"service_accounts": [{**APP, "name": output("app")}]}, "service_accounts[0].name", "an output"),
        ({"servce_accounts": []}, "servce_accounts", "did you mean 'service_accounts'?"),
    ],
)
def test_what_it_refuses(created: Callable[[Any], list[Any]], change: dict[str, Any], place: str, word: str) -> None:
    with pytest.raises(InvalidArgumentsError) as error:
        created({"mode": "deny", "service_accounts": [APP], **change})
    assert f"\n  {place}\n" in str(error.value)
    assert word in str(error.value)
