"""What the guards of a stack newly refuse, and who may newly avoid them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from irsa_cli.diff.guards import Avoider, GuardChange, clusters_of_guards, guard_changes
from irsa_cli.diff.lines import guard_row, headline, right_rows
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import UNKNOWN, create, diff, preview, resource, step, update

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


def found(*steps: Any, state: Sequence[Any] = ()) -> list[GuardChange]:
    resources = [parse_resource(each, "state") for each in state]
    read = preview(*steps).steps
    return guard_changes(resources, read, clusters_of_guards(resources, read))


def pods(before: str, after: str, *accounts: str, cluster: str = "green", dangerous: bool = False) -> GuardChange:
    return GuardChange(cluster, "pods", before, after, accounts, dangerous=dangerous)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a/x": "deny"}, {"a/x": "warn"}, [pods("deny", "warn", "a/x", dangerous=True)]),
        ({"a/x": "deny"}, {"a/x": "off"}, [pods("deny", "off", "a/x", dangerous=True)]),
        # Its binding goes, too.
        ({"a/x": "deny"}, {}, [pods("deny", "off", "a/x")]),
        ({"a/x": "off"}, {}, []),
        # kube-system is named.
        (
            {"a/x": "deny", "kube-system/aws-node": "warn"},
            {"a/x": "deny", "kube-system/aws-node": "deny", "a/y": "deny"},
            [pods("off", "deny", "a/y"), pods("warn", "deny", "kube-system/aws-node")],
        ),
    ],
)
def test_whose_pods(before: Modes, after: Modes, expected: list[GuardChange]) -> None:
    assert found(step("update", guard(before), guard(after))) == expected


def test_what_bindings_and_config_maps_have_counts() -> None:
    """Protects the repair of a guard that somebody switched off by hand: its component has not changed.

    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-actions
    """
    state = [guard({"a/x": "deny", "b/y": "warn"}), config_map("a/x", "b/y"), binding(["Deny", "Audit"], "a")]
    state.append(binding(["Warn", "Audit"], "a", "b", name="role"))
    edited, declared = binding(["Audit"], "a"), binding(["Deny", "Audit"], "a")
    repaired = step("update", {**declared, "outputs": edited["inputs"]}, declared, diffReasons=["spec"])

    assert found(repaired, state=state) == [pods("warn", "deny", "a/x")]
    added = update(config_map("a/x"), config_map("a/x", "a/z"))
    assert found(added, state=state) == [pods("off", "deny", "a/z")]


@pytest.mark.parametrize("deleted", [binding(["Deny"], "a"), config_map("a/x")])
def test_what_somebody_deleted_guards_nobody(deleted: Any) -> None:
    """Protects the repair of a guard of which a part is gone: without its parameters, `Allow` lets every Pod through.

    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#parameter-resources
    """
    state = [guard({"a/x": "deny"}), config_map("a/x"), binding(["Deny"], "a")]

    assert found(create(deleted), state=state) == [pods("off", "deny", "a/x")]


def test_what_is_not_known_yet() -> None:
    unknown = [config_map(data=UNKNOWN), child(f"{POLICY}Binding", "irsa-guard-shop-identity", {"spec": UNKNOWN})]
    created = [*map(create, unknown)]

    assert found(*created, create(guard({"a/x": "deny"}))) == [pods("off", "deny", "a/x")]
    assert found(*created, create(guard(None))) == [pods("off", "cannot tell")]


USERS, PREFIXES, GROUPS = "annotation-users", "annotation-user-prefixes", "annotation-groups"
DEPLOY = "arn:aws:sts::111122223333:assumed-role/deploy/"
LISTS = {USERS: "alice", PREFIXES: DEPLOY, GROUPS: ""}


def rule(change: Mapping[str, Any], namespace: str = "kube-system") -> dict[str, Any]:
    return config_map(data={**LISTS, "a.x": ROLE, **change}, namespace=namespace)


def avoiding(before: Any, after: Any, mode: str = "deny") -> list[tuple[list[str], str, bool]]:
    """Return who may avoid a guard with a rule for annotations, and could not before."""
    state = [guard({"a/x": "deny"}, annotations=mode), before, binding(["Deny"], "a")]
    changes_found = found(step("create-replacement", before, after), state=state)
    return [([f"{one.kind} {one.name}" for one in each.who], each.after, each.dangerous) for each in changes_found]


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
def test_who_may_avoid_it(change: Mapping[str, Any], who: list[str], dangerous: bool) -> None:
    assert avoiding(rule({}), rule(change)) == ([(who, "deny", dangerous)] if who else [])
    # Without one of the lists, it stopped nobody; without the rule, too.
    damaged = config_map(data={"a.x": ROLE})
    assert avoiding(damaged, rule(change)) == avoiding(rule({}), rule(change), "off") == []


def test_who_may_avoid_it_is_not_known_yet() -> None:
    state = [guard({"a/x": "deny"}, annotations="deny"), rule({})]
    (change,) = found(step("create-replacement", rule({}), config_map(data=UNKNOWN)), state=state)

    assert (change.what, change.after) == ("exceptions", "cannot tell")
    assert "cannot tell whether more may write role annotations" in " ".join(guard_row(change).pieces)


@pytest.mark.parametrize(("namespace", "dangerous"), [("platform", False), ("a", True)])
def test_where_its_config_maps_go(namespace: str, dangerous: bool) -> None:
    assert avoiding(rule({}), rule({}, namespace)) == [([f"namespace {namespace}"], "deny", dangerous)]


def test_the_first_lines() -> None:
    refused, warned = pods("off", "deny", "default/my-app", "default/other"), pods("deny", "warn", "a/x", cluster="")
    named = Avoider("group", "system:authenticated"), Avoider("user", "x -> y")
    wide = GuardChange("green", "exceptions", "deny", "deny", who=named, dangerous=True)
    one, *rows = (f"{row.sign} {' '.join(row.pieces)}" for row in map(guard_row, (refused, warned, wide)))

    assert one == (
        "+ guard: Pods of 2 service accounts without their identity are refused (deny) in green: "
        "default/my-app, default/other"
    )
    assert rows == [
        "- guard: Pods of 1 service account without its identity get a warning (warn, was deny): a/x",
        (
            "+ guard: more may write role annotations other than declared in green: group system:authenticated, "
            'user "x -> y"'
        ),
    ]
    assert dict(headline(diff(guard=[refused, warned])))["guard"].endswith("default/other, and 1 more")
    assert len(right_rows(diff(guard=[refused, warned]))) == 2


@pytest.mark.parametrize(
    "change", [update(binding(["Warn"], "a"), binding(["Deny"], "a")), create(binding(["Deny"], "a"))]
)
def test_its_own_resources_are_named(change: Any, diff_json: DiffJson) -> None:
    (found,) = diff_json(change, create(guard({})))["other"]

    assert (found["kind"], found["name"], found["cluster"]) == (
        "admission binding",
        "irsa-guard-shop-identity",
        "green",
    )
