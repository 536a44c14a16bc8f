"""How `irsa verify` asks its questions: whatever the answer to one is, the next one is asked too."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from irsa_world.report.checks import Check

Question = Callable[[Check], Iterable[Check]]
"""Returns the findings of what is asked; the fix of that is the command that restores what the stack declares."""


def ask(asked: Check, question: Question) -> list[Check]:
    """Return the checks of one question; where its answer fails, the last one says why."""
    checks = list[Check]()
    try:
        checks.extend(question(asked))
    except Exception as error:
        checks.append(asked.unanswered(error))
    return [*dict.fromkeys(checks)] or [replace(asked, fix="")]
