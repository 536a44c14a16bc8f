"""What was just changed is looked at again before it is called wrong, and nothing else is.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from irsa_cli import verification
from irsa_cli.report.checks import Check, Outcome, Report
from irsa_world.state.declared import DeclaredBinding, DeclaredStack, declared_stack
from irsa_world.state.resource import resources_of

ROLE = "arn:aws:iam::111122223333:role/app"
OPTIONS = Namespace(stack="dev", bindings=[], pods=False)


def verified(
    monkeypatch: pytest.MonkeyPatch, ages: dict[str, float | None], wrong: list[set[str]]
) -> tuple[Report, list[list[str]], list[float]]:
    """Verify bindings that were changed so many seconds ago; `wrong` has those with a finding, look by look.

    Returns:
        The report, the bindings of each look, and the pauses.
    """
    now = datetime.now(UTC)
    bindings = tuple(
        DeclaredBinding(key, ROLE, modified=None if age is None else now - timedelta(seconds=age))
        for key, age in ages.items()
    )
    looks: list[list[str]] = []
    pauses: list[float] = []
    reports: list[Report] = []

    def look(_: DeclaredStack, asked: Sequence[DeclaredBinding], pods: bool) -> list[Check]:
        found = wrong[len(looks)]
        looks.append([each.key for each in asked])
        return [Check(each.key, "role", Outcome.FINDING if each.key in found else Outcome.OK, ROLE) for each in asked]

    def publish(report: Report, *_: Any) -> int:
        reports.append(report)
        return report.exit_code

    monkeypatch.setattr(verification, "read_stack", lambda _: DeclaredStack("dev", bindings, {}, {}))
    monkeypatch.setattr(verification, "look", look)
    monkeypatch.setattr(verification, "publish", publish)
    monkeypatch.setattr("irsa_cli.verification.time.sleep", pauses.append)
    verification.run(OPTIONS)
    return reports[0], looks, pauses


def test_what_was_just_changed_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    report, looks, pauses = verified(monkeypatch, {"good": 5, "new": 5, "old": 3600}, [{"new", "old"}, {"new"}, set()])

    assert looks == [["good", "new", "old"], ["new"], ["new"]]
    assert [(check.binding, check.outcome.value) for check in report.checks] == [
        ("good", "ok"),
        ("new", "ok"),
        ("old", "finding"),
    ]
    assert sum(pauses) == 6


def looked_at_again(monkeypatch: pytest.MonkeyPatch, *looks: list[Check]) -> Sequence[Check]:
    """Return the checks of the report where a binding that was just changed has these, look by look."""
    bindings = (DeclaredBinding("app", ROLE, modified=datetime.now(UTC)),)
    left, reports = iter(looks), list[Report]()

    def publish(report: Report, *_: Any) -> int:
        reports.append(report)
        return report.exit_code

    monkeypatch.setattr(verification, "read_stack", lambda _: DeclaredStack("dev", bindings, {}, {}))
    monkeypatch.setattr(verification, "look", lambda *_: next(left))
    monkeypatch.setattr(verification, "publish", publish)
    monkeypatch.setattr("irsa_cli.verification.time.sleep", lambda _: None)
    verification.run(OPTIONS)
    assert next(left, None) is None
    return reports[0].checks


FOUND = [Check("app", "role", Outcome.OK, ROLE), Check("app", "policies", Outcome.FINDING, "role app", "nothing")]
RIGHT = [Check("app", "role", Outcome.OK, ROLE), Check("app", "policies", Outcome.OK, "role app")]


@pytest.mark.parametrize("outcome", [Outcome.NO_ANSWER, Outcome.NO_PERMISSION])
def test_what_was_found_stays_where_aws_goes_meanwhile(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    gone = [Check("app", kind, outcome, about) for kind, about in (("role", ROLE), ("policies", "role app"))]
    half = [RIGHT[0], Check("app", "policies", outcome, "role app")]

    assert looked_at_again(monkeypatch, FOUND, gone, half) == FOUND
    assert looked_at_again(monkeypatch, FOUND, gone, RIGHT) == RIGHT


def test_what_had_no_answer_before_hinders_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Check("app", "trust", Outcome.CANNOT_TELL, "role app", "the state keeps the trust policy as a secret")

    assert looked_at_again(monkeypatch, [*FOUND, secret], [*RIGHT, secret]) == [*RIGHT, secret]


@pytest.mark.parametrize(("age", "looks"), [(5, 3), (3600, 1), (None, 1)])
def test_a_finding_that_stays_is_one(monkeypatch: pytest.MonkeyPatch, age: float | None, looks: int) -> None:
    report, looked, _ = verified(monkeypatch, {"app": age}, [{"app"}] * looks)

    assert (len(looked), report.exit_code) == (looks, 1)


def test_the_newest_of_a_binding_s_resources_says_when_it_was_changed() -> None:
    stack = "urn:pulumi:dev::irsa"
    parent = f"{stack}::irsa:index:ServiceAccountRole::app"
    component = {
        "urn": parent,
        "type": "irsa:index:ServiceAccountRole",
        "outputs": {"roleArn": ROLE, "policyArns": [], "annotations": {}, "trustPolicy": "{}"},
    }
    kinds = {
        "aws:iam/role:Role": ("2026-11-25T10:00:00Z", {"name": "app"}),
        "aws:iam/policy:Policy": ("2026-11-25T11:00:00Z", {"arn": "arn:aws:iam::111122223333:policy/app"}),
    }
    children = [
        {"urn": f"{stack}::{kind}::app", "parent": parent, "type": kind, "modified": modified, "outputs": outputs}
        for kind, (modified, outputs) in kinds.items()
    ]
    (binding,) = declared_stack(resources_of({"deployment": {"resources": [component, *children]}})).bindings

    assert binding.modified == datetime(2026, 11, 25, 11, tzinfo=UTC)
