"""What was just changed is looked at again before it is called wrong, and nothing else is.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from irsa_cli.verify import comparison
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.state.declared import DeclaredBinding, DeclaredStack

ROLE = "arn:aws:iam::111122223333:role/app"


ROLE_OK, POLICIES_OK = Check("app", "role", Outcome.OK, ROLE), Check("app", "policies", Outcome.OK, "role app")
FOUND, RIGHT = [ROLE_OK, replace(POLICIES_OK, outcome=Outcome.FINDING, found="nothing")], [ROLE_OK, POLICIES_OK]


def verified(patch: pytest.MonkeyPatch, ages: dict[str, float | None], *looks: list[Check]) -> tuple[Report, Any, Any]:
    """Verify bindings that were changed so many seconds ago, with these checks, look by look.

    Returns:
        The report, the bindings of each look, and the pauses.
    """
    now = datetime.now(UTC)
    times = {key: None if age is None else now - timedelta(seconds=age) for key, age in ages.items()}
    bindings = tuple(DeclaredBinding(key, ROLE, modified=time) for key, time in times.items())
    left, looked, pauses, reports = iter(looks), list[list[str]](), list[float](), list[Report]()

    def look(_: DeclaredStack, asked: Sequence[DeclaredBinding], pods: bool) -> list[Check]:
        looked.append([each.key for each in asked])
        return next(left)

    def publish(report: Report, *_: Any) -> int:
        reports.append(report)
        return report.exit_code

    patch.setattr(comparison, "read_stack", lambda _: DeclaredStack("dev", bindings, {}, {}))
    patch.setattr(comparison, "checks_of", look)
    patch.setattr(comparison, "publish", publish)
    patch.setattr("irsa_cli.verify.comparison.time.sleep", pauses.append)
    comparison.run(Namespace(stack="dev", bindings=[], pods=False))
    assert next(left, None) is None
    return reports[0], looked, pauses


def test_what_was_just_changed_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def looking(*keys: str, wrong: Sequence[str] = ()) -> list[Check]:
        return [replace(ROLE_OK, binding=key, outcome=Outcome.FINDING if key in wrong else Outcome.OK) for key in keys]

    looks = (looking("good", "new", "old", wrong=["new", "old"]), looking("new", wrong=["new"]), looking("new"))
    report, looked, pauses = verified(monkeypatch, {"good": 5, "new": 5, "old": 3600}, *looks)

    assert (looked, sum(pauses)) == ([["good", "new", "old"], ["new"], ["new"]], 6)
    assert report.checks == looking("good", "new", "old", wrong=["old"])


@pytest.mark.parametrize("outcome", [Outcome.NO_ANSWER, Outcome.NO_PERMISSION])
def test_what_was_found_stays_where_aws_goes_meanwhile(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    gone = [replace(each, outcome=outcome) for each in RIGHT]
    half = [ROLE_OK, gone[1]]

    assert verified(monkeypatch, {"app": 5}, FOUND, gone, half)[0].checks == FOUND
    assert verified(monkeypatch, {"app": 5}, FOUND, gone, RIGHT)[0].checks == RIGHT
    # What had no answer before hinders no second look.
    secret = replace(ROLE_OK, check="trust", outcome=outcome)
    assert verified(monkeypatch, {"app": 5}, [*FOUND, secret], [*RIGHT, secret])[0].checks == [*RIGHT, secret]


@pytest.mark.parametrize(("age", "looks"), [(5, 3), (3600, 1), (None, 1)])
def test_a_finding_that_stays_is_one(monkeypatch: pytest.MonkeyPatch, age: float | None, looks: int) -> None:
    assert verified(monkeypatch, {"app": age}, *[FOUND] * looks)[0].exit_code == 1
