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


Guarded = list[tuple[str, bool]]
Shown = Callable[..., Guarded]


@pytest.fixture
def shown(diff_json: DiffJson) -> Shown:
    """Return a function from steps to what is said of the guard, and whether that is dangerous."""

    def run(*steps: Any, state: Sequence[Any] = ()) -> Guarded:
        found = [each for each in diff_json(*steps, state=state)["rows"] if each["kind"] == "guard"]
        assert all(each["where"] == "green" for each in found)
        return [(each["sentence"].replace(" in green", ""), bool(each["danger"])) for each in found]

    return run


CANNOT_TELL: Guarded = [("whether the guard allows more", False)]
MORE, GONE = [("the guard allows more", True)], [("the guard is removed", True)]
LESS, FEWER = [("the guard stops more", False)], [("the guard guards fewer Pods", False)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a/x": "deny"}, {"a/x": "warn"}, MORE),
        ({"a/x": "deny"}, {"a/x": "off"}, MORE),
        ({"a/x": "warn"}, {"a/x": "off"}, MORE),
        # Its binding goes, too.
        ({"a/x": "deny"}, {}, FEWER),
        ({"a/x": "warn"}, {"a/x": "deny"}, LESS),
        # kube-system is named.
        (
            {"a/x": "deny", "kube-system/aws-node": "warn"},
            {"a/x": "deny", "kube-system/aws-node": "deny", "a/y": "deny"},
            LESS,
        ),
        # What stops more in one namespace hides nothing of another one.
        ({"a/x": "deny", "b/x": "warn"}, {"a/x": "warn", "b/x": "deny"}, MORE),
        ({"a/x": "deny"}, {"a/x": "deny"}, []),
    ],
)
def test_its_modes(before: Modes, after: Modes, expected: Guarded, shown: Shown) -> None:
    assert shown(step("update", guard(before), guard(after))) == expected


@pytest.mark.parametrize("modes", [{"a/x": "deny"}, {"a/x": "warn"}, None])
def test_a_guard_that_goes(modes: Modes | None, shown: Shown) -> None:
    declared = [guard(modes), config_map("a/x"), binding(["Deny"], "a")]
    assert shown(*(step("delete", each) for each in declared), state=declared)[0][1]


WARNS, DENIES = ["Warn", "Audit"], ["Deny", "Audit"]
IDENTITY = child(POLICY, "irsa-guard-shop-identity", {"spec": {"validations": [{"expression": "x"}]}})
STRICT = [guard({"a/x": "warn"}), config_map("a/x"), binding(WARNS, "a"), IDENTITY]
TO_DENY = [update(STRICT[0], guard({"a/x": "deny"})), step("replace", STRICT[2], binding(DENIES, "a"))]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (TO_DENY, LESS),
        # Its settings say deny, and its binding warns, or is for another namespace.
        (TO_DENY[:1], CANNOT_TELL),
        ([TO_DENY[0], step("replace", STRICT[2], binding(DENIES, "b"))], CANNOT_TELL),
        ([TO_DENY[0], step("delete", STRICT[2])], CANNOT_TELL),
        ([*TO_DENY, update(IDENTITY, {**IDENTITY, "inputs": {"spec": {"validations": [{"expression": "true"}]}}})],
         CANNOT_TELL),
        ([*TO_DENY, step("delete", IDENTITY)], CANNOT_TELL),
        ([*TO_DENY, update(STRICT[1], config_map("a/y"))], CANNOT_TELL),
        ([*TO_DENY, update(STRICT[1], config_map("a/x", namespace="a"))], CANNOT_TELL),
    ],
)  # fmt: skip
def test_another_mode_hides_nothing(steps: Sequence[Any], expected: Guarded, shown: Shown) -> None:
    """The attack: a change of the mode to deny comes together with one that lets everything through."""
    assert shown(*steps, state=STRICT) == expected


def test_what_its_settings_do_not_say(shown: Shown) -> None:
    """The attack: a program's transform makes a guard that refuses only warn, and its settings stay.

    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-actions
    """
    declared = [guard({"a/x": "deny"}), config_map("a/x", "a/y"), binding(["Deny", "Audit"], "a")]
    for change in (
        update(declared[2], binding(["Warn", "Audit"], "a")),
        update(declared[1], config_map("a/x")),
        step("delete", declared[2]),
    ):
        assert shown(change, state=declared) == CANNOT_TELL
    renamed = config_map(data={"a.x": ROLE, "a.y": f"{ROLE}-2"}, name="map-2")
    follows = binding(["Deny", "Audit"], "a", to="map-2")
    assert shown(update(declared[1], renamed), update(declared[2], follows), state=declared) == []


def test_what_is_not_known_yet(shown: Shown) -> None:
    unknown = [config_map(data=UNKNOWN), child(f"{POLICY}Binding", "irsa-guard-shop-identity", {"spec": UNKNOWN})]
    created = [*map(create, unknown)]

    assert shown(*created, create(guard({"a/x": "deny"}))) == LESS
    assert shown(*created, create(guard(None))) == CANNOT_TELL


USERS, PREFIXES, GROUPS = "annotation-users", "annotation-user-prefixes", "annotation-groups"
DEPLOY = "arn:aws:sts::111122223333:assumed-role/deploy/"
LISTS = {USERS: "alice", PREFIXES: DEPLOY, GROUPS: ""}


def rule(change: Mapping[str, Any], namespace: str = "kube-system") -> dict[str, Any]:
    return config_map(data={**LISTS, "a.x": ROLE, **change}, namespace=namespace)


@pytest.fixture
def avoiding(shown: Shown) -> Callable[..., Guarded]:
    """Return a function from ConfigMaps to what is said of a guard with a rule for annotations."""

    def run(before: Any, after: Any, mode: str = "deny") -> Guarded:
        state = [guard({"a/x": "deny"}, annotations=mode), before, binding(["Deny"], "a")]
        return shown(step("create-replacement", before, after), state=state)

    return run


@pytest.mark.parametrize(
    ("change", "has_more"),
    [
        ({}, False),
        ({USERS: ""}, False),
        ({USERS: "alice\nbob"}, True),
        ({USERS: "system:anonymous"}, True),
        ({PREFIXES: DEPLOY.replace("deploy", "ci")}, True),
        ({PREFIXES: f"{DEPLOY}\narn:"}, True),
        ({GROUPS: "platform"}, True),
        ({USERS: "a", GROUPS: "system:authenticated"}, True),
    ],
)
def test_who_may_avoid_it(change: Mapping[str, Any], has_more: bool, avoiding: Callable[..., Guarded]) -> None:
    assert avoiding(rule({}), rule(change)) == (MORE if has_more else [])
    # Without one of the lists, it stopped nobody; without the rule, too.
    damaged = config_map(data={"a.x": ROLE})
    assert MORE not in (avoiding(damaged, rule(change)), avoiding(rule({}), rule(change), "off"))


def test_who_may_avoid_it_is_not_known_yet(avoiding: Callable[..., Guarded]) -> None:
    assert avoiding(rule({}), config_map(data=UNKNOWN)) == CANNOT_TELL


def test_where_its_config_maps_go(avoiding: Callable[..., Guarded]) -> None:
    """The attack: a tenant may edit what tells the guard whom to believe."""
    assert avoiding(rule({}), rule({}, "a")) == CANNOT_TELL
