"""What a verb found, check by check."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from irsa_cli.exits import COULD_NOT_LOOK, FINDINGS, GOOD


class Outcome(StrEnum):
    """How one check came out."""

    OK = "ok"
    FINDING = "finding"
    COULD_NOT_LOOK = "could not look"
    NOT_CHECKED = "not checked"


WORST_FIRST = (Outcome.FINDING, Outcome.COULD_NOT_LOOK, Outcome.NOT_CHECKED, Outcome.OK)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        binding: Key of the binding in the stack file.
        check: What kind of check it is.
        outcome: How it came out.
        about: What was looked at, such as `role my-role`.
        found: What is there; for a check without an answer, why there is none.
        expected: What should be there.
        fix: The command that puts it right.
    """

    binding: str
    check: str
    outcome: Outcome
    about: str
    found: str = ""
    expected: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All checks of one run."""

    verb: str
    stack: str
    checks: Sequence[Check]

    @property
    def exit_code(self) -> int:
        """Return the command's exit code."""
        outcomes = {check.outcome for check in self.checks}
        if Outcome.FINDING in outcomes:
            return FINDINGS
        # Where nothing at all was looked at, nothing is known to be good.
        return GOOD if Outcome.OK in outcomes and Outcome.COULD_NOT_LOOK not in outcomes else COULD_NOT_LOOK


def by_binding(checks: Iterable[Check]) -> dict[str, list[Check]]:
    """Return the checks of each binding, in their order."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.binding, []).append(check)
    return found


def worst(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the outcome that counts for all of them."""
    present = set(outcomes)
    return next((outcome for outcome in WORST_FIRST if outcome in present), None)
