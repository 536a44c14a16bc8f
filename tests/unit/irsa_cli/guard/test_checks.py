"""What `irsa verify` finds of a guard, in a cluster that answers what a test says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from irsa_cli.guard.checks import of_guard
from irsa_cli.report.checks import Check, Outcome, Report
from irsa_cli.report.text import answer_of, plain
from irsa_world.guarded_pods import has_no_identity
from irsa_world.state.declared import DeclaredGuard
from tests.fuzz.live_states import DANGERS, MARK
from tests.fuzz.printed import problems
from tests.sandbox.test_guard_pods import CASES, Case
from tests.unit.irsa_cli.guard.guarded import CONFIG_MAP, DATA, GUARD, POLICY, POLICY_SPEC, ROLE, StubCluster

POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
MISSING = ("it does not exist, so that it guards nothing", "that it exists")
REPAIR = "pulumi up --refresh --skip-preview --stack prod"


def checked(change: Callable[[Any], Any] = lambda _: None, guard: DeclaredGuard = GUARD) -> list[Check]:
    cluster: Any = StubCluster()
    change(cluster)
    return of_guard(guard, cluster, "prod")


def findings(change: Callable[[Any], Any]) -> list[Check]:
    return [check for check in checked(change) if check.outcome is Outcome.FINDING]


def test_a_guard_as_declared_says_its_mode() -> None:
    (as_declared,) = checked()

    assert as_declared.outcome is Outcome.OK
    assert as_declared.found == "mode deny, 2 service accounts in 2 namespaces: as declared"


def spec_of(cluster: StubCluster, resource: str, name: str = POLICY) -> Any:
    return cluster.objects[resource][name]["spec"]


@pytest.mark.parametrize(
    ("change", "about", "found", "expected"),
    [
        (lambda c: c.objects[POLICIES].clear(), f"policy {POLICY}",
         *MISSING),
        (lambda c: c.objects[BINDINGS].pop(POLICY), f"binding {POLICY}",
         *MISSING),
        (lambda c: c.objects["configmaps"].clear(), f"ConfigMap {CONFIG_MAP}",
         *MISSING),
        (lambda c: spec_of(c, POLICIES)["validations"][0].update(expression="true"), f"policy {POLICY}",
         "spec.validations[0].expression: true", 'spec.validations[0].expression: "size(variables.missing) == 0"'),
        (lambda c: spec_of(c, POLICIES)["validations"].clear(), f"policy {POLICY}", "spec.validations: []",
         f"spec.validations: {POLICY_SPEC['validations']}"),
        (lambda c: spec_of(c, POLICIES).update(matchConditions=[{"name": "x", "expression": "false"}]),
         f"policy {POLICY}", "spec.matchConditions: [{'name': 'x', 'expression': 'false'}]",
         "spec.matchConditions: nothing"),
        (lambda c: spec_of(c, POLICIES)["matchConstraints"].update(objectSelector={"matchLabels": {"a": "b"}}),
         f"policy {POLICY}", "spec.matchConstraints.objectSelector.matchLabels: {'a': 'b'}",
         "spec.matchConstraints.objectSelector.matchLabels: nothing"),
        (lambda c: spec_of(c, BINDINGS).update(validationActions=["Audit"]), f"binding {POLICY}",
         "spec.validationActions: ['Audit']", "spec.validationActions: ['Deny', 'Audit']"),
        (lambda c: c.objects["configmaps"][CONFIG_MAP].update(data=None), f"ConfigMap {CONFIG_MAP}",
         "it lacks kube-system.aws-node, web.app", "2 declared entries"),
        (lambda c: c.objects["configmaps"][CONFIG_MAP]["data"].update({"web.x": "-"}), f"ConfigMap {CONFIG_MAP}",
         "it has web.x", "no entries that are not declared"),
        (lambda c: c.objects["configmaps"][CONFIG_MAP]["data"].update({"web.app": "; do: x"}),
         f"ConfigMap {CONFIG_MAP}", 'web.app: "; do: x"', f'web.app: "irsa sts.amazonaws.com {ROLE}"'),
    ],
)  # fmt: skip
def test_what_is_missing_or_changed_is_shown(change: Any, about: str, found: str, expected: str) -> None:
    first, *_ = findings(change)

    assert (first.about, first.found, first.expected, first.fix) == (about, found, expected, REPAIR)


def test_an_expression_that_the_api_server_does_not_understand_is_a_finding() -> None:
    warning = {"fieldRef": "spec.validations[0].expression", "warning": "undefined field 'x'"}

    def warn(cluster: StubCluster) -> None:
        cluster.objects[POLICIES][POLICY]["status"]["typeChecking"] = {"expressionWarnings": [warning]}

    (finding,) = findings(warn)
    assert (finding.found, finding.fix) == ('"spec.validations[0].expression": "undefined field \'x\'"', "")


def test_an_old_cluster_is_said_in_words() -> None:
    (finding,) = findings(lambda cluster: cluster.unknown.add(POLICIES))

    assert finding.expected == "Kubernetes 1.30 or newer, or irsa:guard: off"


def test_what_could_not_be_read_is_not_good() -> None:
    assert [each.outcome for each in checked(lambda cluster: cluster.denied.add(POLICIES))] == [Outcome.NO_PERMISSION]


def test_a_guard_that_the_last_up_did_not_complete() -> None:
    (check,) = checked(guard=replace(GUARD, unreadable="the last `pulumi up` did not complete it"))

    assert check.outcome is Outcome.CANNOT_TELL


def test_more_changes_than_a_message_takes() -> None:
    (finding,) = findings(
        lambda cluster: cluster.objects["configmaps"][CONFIG_MAP].update(data=dict.fromkeys(DATA, "x"))
    )
    assert finding.found == "kube-system.aws-node: x; changed are also web.app"


@pytest.mark.parametrize("danger", DANGERS)
def test_what_others_write_stays_a_name(danger: str) -> None:
    """Protects terminals, CI and whoever pastes: ConfigMaps and bindings may be written by somebody else."""
    text = f"a{danger}{MARK}"

    def write(cluster: StubCluster) -> None:
        cluster.objects["configmaps"][CONFIG_MAP]["data"] |= {text: text, "web.app": text}
        spec_of(cluster, BINDINGS)["paramRef"] = {"name": text, text: text}
        warning = {"fieldRef": text, "warning": text}
        cluster.objects[POLICIES][POLICY]["status"]["typeChecking"] = {"expressionWarnings": [warning]}

    checks = checked(write)
    notes = [f"{check.binding}: {check.found}" for check in checks if check.outcome is Outcome.OK]
    printed = "\n".join(plain([answer_of(Report("verify", "prod", checks, notes), (), [])]))

    assert len(checks) > 4
    assert problems(printed) == []


@pytest.mark.parametrize("case", [each for each in CASES if each.title != "undeclared"], ids=lambda case: case.title)
def test_both_say_the_same(case: Case) -> None:
    assert has_no_identity(case.pod) == bool(case.missing)
