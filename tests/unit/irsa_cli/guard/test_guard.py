"""What `irsa verify` finds of a guard in a cluster as the API server returns its objects."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from irsa.guard.policies import IDENTITY, policy
from irsa_cli.verify.guard import of_guard
from irsa_world.exits import NoPermissionError
from irsa_world.live.kubernetes import NoSuchKindError
from irsa_world.pods import has_no_identity
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.report.text import plain, section_of
from irsa_world.state.declared import DeclaredGuard
from tests.fuzz.live_states import DANGERS, MARK
from tests.fuzz.printed import problems
from tests.sandbox.test_guard_pods import CASES, Case

ROLE = "arn:aws:iam::111122223333:role/app"
DATA = {"web.app": f"irsa sts.amazonaws.com {ROLE}", "kube-system.aws-node": f"irsa sts.amazonaws.com {ROLE}"}
POLICY, CONFIG_MAP = "irsa-guard-shop-prod-identity", "irsa-guard-shop-prod-1-1a2b3c"
POLICY_SPEC = policy("shop-prod", IDENTITY)["spec"]


def binding(mode: str, *namespaces: str, policy: str = POLICY, config_map: str = CONFIG_MAP) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces]}
    return {
        "policyName": policy,
        "paramRef": {"name": config_map, "namespace": "platform", "parameterNotFoundAction": "Allow"},
        "validationActions": [mode, "Audit"],
        "matchResources": {"namespaceSelector": {"matchExpressions": [expression]}},
    }


DECLARED = {POLICY: binding("Deny", "web"), f"{POLICY}-kube-system": binding("Warn", "kube-system")}
OBJECTS = {CONFIG_MAP: DATA}, {POLICY: POLICY_SPEC}, DECLARED
GUARD = DeclaredGuard("irsa:guard", "shop-prod", "deny", "platform", *OBJECTS)


def live(name: str, **parts: Any) -> dict[str, Any]:
    """Return an object with the labels of the guard."""
    labels = {"app.kubernetes.io/managed-by": "irsa", "irsa/guard": "shop-prod"}
    return {"metadata": {"name": name, "labels": labels}, **copy.deepcopy(parts)}


class StubCluster:
    """A cluster with the objects of the guard, by resource and name, and the defaults that the API server sets:
    https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/validating-admission-policy-v1/
    """

    issuer, context = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", "test"

    def __init__(self) -> None:
        constraints = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
        policy = live(POLICY, spec=POLICY_SPEC, status={"observedGeneration": 1, "typeChecking": {}})
        policy["spec"]["matchConstraints"] |= constraints
        policy["spec"]["matchConstraints"]["resourceRules"][0]["scope"] = "*"
        bindings = {name: live(name, spec=spec) for name, spec in DECLARED.items()}
        for each in bindings.values():
            each["spec"]["matchResources"] = constraints | each["spec"]["matchResources"]
        self.objects: dict[str, dict[str, dict[str, Any]]] = {
            "validatingadmissionpolicies": {POLICY: policy},
            "validatingadmissionpolicybindings": bindings,
            "configmaps": {CONFIG_MAP: live(CONFIG_MAP, data=DATA)},
        }
        self.denied: set[str] = set()
        self.unknown: set[str] = set()

    def of(self, _: str) -> Any:
        return self

    def _asked(self, resource: str) -> dict[str, dict[str, Any]]:
        if resource in self.denied:
            raise NoPermissionError(f"list {resource}: forbidden")
        if resource in self.unknown:
            raise NoSuchKindError(f"get {resource}: HTTP 404")
        return self.objects.get(resource, {})

    def object_of(self, resource: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        assert namespace in (("platform", "foreign") if resource == "configmaps" else ("",))
        if namespace == "foreign":
            raise NoPermissionError(f"get {resource}: forbidden")
        return self._asked(resource).get(name)


# --- irsa verify ------------------------------------------------------------------------------------------------------

POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
REPAIR = "pulumi up --refresh --skip-preview --stack prod"
CHANGED_BINDING, CHANGED_DATA = (f"{kind} {name}" for kind, name in (("binding", POLICY), ("ConfigMap", CONFIG_MAP)))


def checked(change: Callable[[Any], Any] = lambda _: None, guard: DeclaredGuard = GUARD) -> list[Check]:
    cluster: Any = StubCluster()
    change(cluster)
    return of_guard(guard, cluster, "prod")


def spec_of(cluster: StubCluster, resource: str, name: str = POLICY) -> Any:
    return cluster.objects[resource][name]["spec"]


def warn(cluster: StubCluster) -> None:
    warning = {"fieldRef": "spec.validations[0].expression", "warning": "undefined field 'x'"}
    cluster.objects[POLICIES][POLICY]["status"]["typeChecking"] = {"expressionWarnings": [warning]}


def data_of(cluster: StubCluster) -> Any:
    return cluster.objects["configmaps"][CONFIG_MAP]


# What is changed; of which object it is said, what is found, as it begins, and what repairs it.
@pytest.mark.parametrize(
    ("change", "about", "found", "fix"),
    [
        (lambda c: c.objects[POLICIES].clear(), f"policy {POLICY}", "it does not exist", REPAIR),
        (lambda c: c.objects[BINDINGS].pop(POLICY), CHANGED_BINDING, "it does not exist", REPAIR),
        (lambda c: c.objects["configmaps"].clear(), CHANGED_DATA, "it does not exist", REPAIR),
        (lambda c: spec_of(c, POLICIES)["validations"].clear(), f"policy {POLICY}", "spec.validations: []", REPAIR),
        (lambda c: spec_of(c, POLICIES).update(matchConditions=[{"name": "x", "expression": "false"}]),
         f"policy {POLICY}", "spec.matchConditions[0].name: ", REPAIR),
        (lambda c: spec_of(c, POLICIES)["matchConstraints"].update(objectSelector={"matchLabels": {"a": "b"}}),
         f"policy {POLICY}", "spec.matchConstraints.objectSelector.matchLabels: ", REPAIR),
        (lambda c: data_of(c).update(data=None), CHANGED_DATA, "kube-system.aws-node: nothing; ", REPAIR),
        (lambda c: data_of(c)["data"].update({"web.app": "; do: x"}), CHANGED_DATA, 'web.app: "; do: x"', REPAIR),
        # What is as declared, and not understood, no `pulumi up` repairs.
        (warn, f"policy {POLICY}", '"spec.validations[0].expression": ', ""),
        (lambda c: c.unknown.add(POLICIES), "stack shop-prod", "the API server has no", ""),
    ],
)  # fmt: skip
def test_what_is_missing_or_changed_is_shown(change: Any, about: str, found: str, fix: str) -> None:
    first, *_ = checked(change)

    assert (first.outcome, first.about, first.fix) == (Outcome.FINDING, about, fix)
    assert first.found.startswith(found)


def test_what_could_not_be_read_is_not_good_and_hides_nothing() -> None:
    def widen(cluster: StubCluster) -> None:
        spec_of(cluster, POLICIES)["validations"].clear()
        cluster.denied.add(BINDINGS)

    assert [each.outcome for each in checked()] == [Outcome.OK]
    assert [each.outcome for each in checked(widen)] == [Outcome.FINDING, Outcome.NO_PERMISSION]
    assert checked(guard=replace(GUARD, unreadable="a secret"))[0].outcome is Outcome.CANNOT_TELL


@pytest.mark.parametrize("danger", DANGERS)
def test_what_others_write_stays_a_name(danger: str) -> None:
    text = f"a{danger}{MARK}"

    def write(cluster: StubCluster) -> None:
        cluster.objects["configmaps"][CONFIG_MAP]["data"] |= {text: text, "web.app": text}
        spec_of(cluster, BINDINGS)["paramRef"] = {"name": text, text: text}
        warning = {"fieldRef": text, "warning": text}
        cluster.objects[POLICIES][POLICY]["status"]["typeChecking"] = {"expressionWarnings": [warning]}

    checks = checked(write)
    notes = [f"{check.binding}: {check.found}" for check in checks if check.outcome is Outcome.OK]
    printed = "\n".join(plain([section_of(Report("verify", "prod", checks, notes), (), [])]))

    assert len(checks) > 4
    assert problems(printed) == []


@pytest.mark.parametrize("case", [each for each in CASES if each.title != "undeclared"], ids=lambda case: case.title)
def test_both_say_the_same(case: Case) -> None:
    assert has_no_identity(case.pod) == bool(case.missing)
