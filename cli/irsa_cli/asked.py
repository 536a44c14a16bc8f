"""How `irsa verify` asks a question: whatever its answer is, the next one is asked too."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import Unknown
from irsa_world.compare import Difference
from irsa_world.exits import CouldNotLookError, unexpected
from irsa_world.report.checks import Check, Outcome, outcome_of


class NotCheckedError(Exception):
    """A question that is not asked, and why."""


def ask(good: Check, repair: str, question: Callable[[], Iterable[Difference | Check]]) -> list[Check]:
    """Return the checks of one question; where its answer fails, the last one says why, and other questions go on.

    Args:
        good: The check that there is no difference.
        repair: The command that restores what the stack declares.
        question: Returns the differences; a check among them stands as it is.
    """
    bad, checks = replace(good, outcome=Outcome.FINDING, found=""), list[Check]()
    try:
        for each in question():
            if isinstance(each, Check):
                checks.append(each)
                continue
            found, expected, fix, about = each
            if isinstance(found, Unknown):
                checks.append(replace(bad, outcome=Outcome.CANNOT_TELL, found=found.reason))
            else:
                fix = repair if fix is None else fix
                checks.append(replace(bad, found=found, expected=expected, fix=fix, about=about or good.about))
    except NotCheckedError as reason:
        checks.append(replace(bad, outcome=Outcome.NOT_CHECKED, found=str(reason)))
    except CouldNotLookError as error:
        checks.append(replace(bad, outcome=outcome_of(error), found=str(error)))
    except Exception as error:
        text = str(error) if isinstance(error, Mistake) else unexpected(error)
        checks.append(replace(bad, outcome=Outcome.CANNOT_TELL, found=text))
    return [*dict.fromkeys(checks)] or [good]
