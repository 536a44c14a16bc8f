"""What the guards of a stack newly refuse, and who may newly avoid them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import UNKNOWN, create, resource, step, update

GUARD = "irsa:index:IdentityGuard"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
POLICY = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"
ROLE = "irsa sts.amazonaws.com arn:aws:iam::111122223333:role/app"
Modes = Mapping[str, str]


def guard(modes: Modes | None, key: str = "green", **more: Any) -> dict[str, Any]:
    inputs = {"key": key, **({} if modes is None else {"modes": modes}), **more}
    return {**resource(GUARD, f"guard@{key}", inputs, ""), "outputs": {}}


def child(type_: str, name: str, inputs: Mapping[str, Any], key: str = "green") -> dict[str, Any]:
    found = resource(type_, name, {"metadata": {"name": name}, **inputs}, "")
    parent = guard(None, key)["urn"]
    return {**found, "parent": parent, "urn": f"urn:pulumi:dev::irsa::{GUARD}${type_}::{name}"}


def config_map(*accounts: str, data: Any = None, name: str = "map-1", namespace: str = "kube-system") -> dict[str, Any]:
    declared = {each.replace("/", "."): ROLE for each in accounts}
    metadata = {"name": name, "namespace": namespace}
    return child(CONFIG_MAP, "irsa-guard-shop-1", {"metadata": metadata, "data": data or declared})


def binding(actions: Sequence[str], *namespaces: str, name: str = "identity", to: str = "map-1") -> dict[str, Any]:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces]}
    spec = {
        "policyName": f"irsa-guard-shop-{name.partition('-')[0]}",
        "paramRef": {"name": to, "namespace": "kube-system"},
        "validationActions": [*actions],
        "matchResources": {"namespaceSelector": {"matchExpressions": [expression]}},
    }
    return child(f"{POLICY}Binding", f"irsa-guard-shop-{name}", {"spec": spec})


Pods = tuple[str, str, list[str], bool]


@pytest.fixture
def pods(diff_json: DiffJson) -> Callable[..., list[Pods]]:
    """Return a function from steps to what is done with whose Pods: before, after, and whether that is dangerous."""

    def run(*steps: Any, state: Sequence[Any] = ()) -> list[Pods]:
        found = diff_json(*steps, state=state)["guard"]
        assert all((each["cluster"], each["what"]) == ("green", "pods") for each in found)
        return [(each["before"], each["after"], each["serviceAccounts"], each["dangerous"]) for each in found]

    return run


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a/x": "deny"}, {"a/x": "warn"}, [("deny", "warn", ["a/x"], True)]),
        ({"a/x": "deny"}, {"a/x": "off"}, [("deny", "off", ["a/x"], True)]),
        # Its binding goes, too.
        ({"a/x": "deny"}, {}, [("deny", "off", ["a/x"], False)]),
        ({"a/x": "off"}, {}, []),
        # kube-system is named.
        (
            {"a/x": "deny", "kube-system/aws-node": "warn"},
            {"a/x": "deny", "kube-system/aws-node": "deny", "a/y": "deny"},
            [("off", "deny", ["a/y"], False), ("warn", "deny", ["kube-system/aws-node"], False)],
        ),
    ],
)
def test_whose_pods(before: Modes, after: Modes, expected: list[Pods], pods: Callable[..., list[Pods]]) -> None:
    assert pods(step("update", guard(before), guard(after))) == expected


def test_a_guard_that_goes(pods: Callable[..., list[Pods]]) -> None:
    declared = [guard({"a/x": "deny"}), config_map("a/x"), binding(["Deny"], "a")]
    assert pods(*(step("delete", each) for each in declared), state=declared) == [("deny", "off", ["a/x"], True)]


def test_what_its_settings_do_not_say(pods: Callable[..., list[Pods]]) -> None:
    """The attack: a program's transform makes a guard that refuses only warn, and its settings stay.

    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-actions
    """
    declared = [guard({"a/x": "deny"}), config_map("a/x", "a/y"), binding(["Deny", "Audit"], "a")]
    cannot_tell: list[Pods] = [("cannot tell", "cannot tell", [], False)]
    for change in (
        update(declared[2], binding(["Warn", "Audit"], "a")),
        update(declared[1], config_map("a/x")),
        step("delete", declared[2]),
    ):
        assert pods(change, state=declared) == cannot_tell
    renamed = config_map(data={"a.x": ROLE, "a.y": f"{ROLE}-2"}, name="map-2")
    follows = binding(["Deny", "Audit"], "a", to="map-2")
    assert pods(update(declared[1], renamed), update(declared[2], follows), state=declared) == []


def test_what_is_not_known_yet(pods: Callable[..., list[Pods]]) -> None:
    unknown = [config_map(data=UNKNOWN), child(f"{POLICY}Binding", "irsa-guard-shop-identity", {"spec": UNKNOWN})]
    created = [*map(create, unknown)]

    assert pods(*created, create(guard({"a/x": "deny"}))) == [("off", "deny", ["a/x"], False)]
    assert pods(*created, create(guard(None))) == [("off", "cannot tell", [], False)]


USERS, PREFIXES, GROUPS = "annotation-users", "annotation-user-prefixes", "annotation-groups"
DEPLOY = "arn:aws:sts::111122223333:assumed-role/deploy/"
LISTS = {USERS: "alice", PREFIXES: DEPLOY, GROUPS: ""}


def rule(change: Mapping[str, Any], namespace: str = "kube-system") -> dict[str, Any]:
    return config_map(data={**LISTS, "a.x": ROLE, **change}, namespace=namespace)


@pytest.fixture
def avoiding(diff_json: DiffJson) -> Callable[..., list[Any]]:
    """Return a function from ConfigMaps to who may avoid a guard with a rule for annotations, and could not before."""

    def run(before: Any, after: Any, mode: str = "deny") -> list[tuple[list[str], str, bool]]:
        state = [guard({"a/x": "deny"}, annotations=mode), before, binding(["Deny"], "a")]
        found = diff_json(step("create-replacement", before, after), state=state)["guard"]
        return [
            ([f"{one['kind']} {one['name']}" for one in each["who"]], each["after"], each["dangerous"])
            for each in found
            if each["what"] == "exceptions"
        ]

    return run


@pytest.mark.parametrize(
    ("change", "who", "dangerous"),
    [
        ({}, [], False),
        ({USERS: ""}, [], False),
        ({USERS: "alice\nbob"}, ["user bob"], False),
        ({USERS: "system:anonymous"}, ["user system:anonymous"], True),
        ({PREFIXES: DEPLOY.replace("deploy", "ci")}, [f"userPrefix {DEPLOY.replace('deploy', 'ci')}"], False),
        ({PREFIXES: f"{DEPLOY}\narn:"}, ["userPrefix arn:"], True),
        ({GROUPS: "platform"}, ["group platform"], False),
        # The widest first: of many, the first are shown.
        ({USERS: "a\nb\nc\nd\ne", GROUPS: "system:authenticated"},
         ["group system:authenticated", *(f"user {each}" for each in "abcde")], True),
        ({GROUPS: "system:serviceaccounts:ci"}, ["group system:serviceaccounts:ci"], True),
    ],
)  # fmt: skip
def test_who_may_avoid_it(
    change: Mapping[str, Any], who: list[str], dangerous: bool, avoiding: Callable[..., list[Any]]
) -> None:
    assert avoiding(rule({}), rule(change)) == ([(who, "deny", dangerous)] if who else [])
    # Without one of the lists, it stopped nobody; without the rule, too.
    damaged = config_map(data={"a.x": ROLE})
    assert avoiding(damaged, rule(change)) == avoiding(rule({}), rule(change), "off") == []


def test_who_may_avoid_it_is_not_known_yet(avoiding: Callable[..., list[Any]]) -> None:
    assert avoiding(rule({}), config_map(data=UNKNOWN)) == [([], "cannot tell", False)]


@pytest.mark.parametrize(("namespace", "dangerous"), [("platform", False), ("a", True)])
def test_where_its_config_maps_go(namespace: str, dangerous: bool, avoiding: Callable[..., list[Any]]) -> None:
    assert avoiding(rule({}), rule({}, namespace)) == [([f"namespace {namespace}"], "deny", dangerous)]
