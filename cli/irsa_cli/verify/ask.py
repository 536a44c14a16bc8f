"""How `irsa verify` asks its questions: whatever the answer to one is, the next one is asked too."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import Unknown
from irsa_world.compare import Difference
from irsa_world.exits import CouldNotLookError, unexpected
from irsa_world.report.checks import Check, Outcome, outcome_of

Question = tuple[str, str, Callable[[], Iterable[Difference | Check]]]
"""A kind of check, what it is about, and what returns the differences; a check among them stands as it is."""


class NotCheckedError(Exception):
    """A question that is not asked, and why."""


def ask(good: Check, repair: str, question: Callable[[], Iterable[Difference | Check]]) -> list[Check]:
    """Return the checks of one question; where its answer fails, the last one says why.

    Args:
        good: The check that there is no difference.
        repair: The command that restores what the stack declares.
        question: Returns the differences.
    """
    bad, checks = replace(good, outcome=Outcome.FINDING, found=""), list[Check]()

    def unanswered(outcome: Outcome, why: object) -> None:
        checks.append(replace(bad, outcome=outcome, found=str(why)))

    try:
        for each in question():
            if isinstance(each, Check):
                checks.append(each)
            elif isinstance(each.found, Unknown):
                unanswered(Outcome.CANNOT_TELL, each.found.reason)
            else:
                fix, about = repair if each.fix is None else each.fix, each.about or good.about
                checks.append(replace(bad, found=each.found, expected=each.expected, fix=fix, about=about))
    except NotCheckedError as reason:
        unanswered(Outcome.NOT_CHECKED, reason)
    except CouldNotLookError as error:
        unanswered(outcome_of(error), error)
    except Exception as error:
        unanswered(Outcome.CANNOT_TELL, error if isinstance(error, Mistake) else unexpected(error))
    return [*dict.fromkeys(checks)] or [good]
