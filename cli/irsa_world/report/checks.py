"""What a subcommand found: checks, their outcomes, and the report of all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from irsa.rules.unknown import Unknown
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError, NoPermissionError, SecretInStateError
from irsa_world.unread import NotCheckedError, Unread, reason_of


class Outcome(StrEnum):
    """The result of one check; three of them say why there is no result, and `NOT_CHECKED` is by design.

    `UNPROVEN` is a trusted subject without a service account, or a service account without a running Pod for EKS Pod
    Identity, where `irsa prove --allow-unproven` allows that.
    """

    OK = "ok"
    FINDING = "finding"
    NO_PERMISSION = "no permission"
    NO_ANSWER = "no answer"
    CANNOT_TELL = "cannot tell"
    UNPROVEN = "unproven"
    NOT_CHECKED = "not checked"


UNANSWERED = (Outcome.NO_PERMISSION, Outcome.NO_ANSWER, Outcome.CANNOT_TELL)
ALLOWED = (Outcome.UNPROVEN, Outcome.NOT_CHECKED)
WORST_FIRST = (Outcome.FINDING, *UNANSWERED, *ALLOWED, Outcome.OK)


# The first one that an error is an instance of counts; of any other one, nobody can tell.
OF_ERRORS: tuple[tuple[type[Exception], Outcome], ...] = (
    (NotCheckedError, Outcome.NOT_CHECKED),
    (SecretInStateError, Outcome.CANNOT_TELL),
    (NoPermissionError, Outcome.NO_PERMISSION),
    (CouldNotLookError, Outcome.NO_ANSWER),
)


def outcome_of(error: Exception) -> Outcome:
    """Return the outcome of a check that ended with this error."""
    return next((outcome for kind, outcome in OF_ERRORS if isinstance(error, kind)), Outcome.CANNOT_TELL)


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        binding: Key of the binding; in another program, the name of the component. It begins with `irsa:guard` for the
            guard of a cluster. It is `irsa:createOidcProvider` for the OIDC providers that the stack creates, and
            `irsa:cluster` or `irsa:clusters.KEY` for the issuer of a cluster outside EKS.
        check: Kind of check, such as `trust` (verify) or `assumes` (prove). New versions may add some.
        outcome: Result of the check; where there is none, `found` says why.
        about: What was checked, such as `role my-role`.
        found: What is there, or why there is no result; empty where there is nothing to say.
        expected: What should be there; empty where nothing is wrong.
        fix: The command that fixes it; empty where there is none.
    """

    binding: str
    check: str
    outcome: Outcome
    about: str
    found: str = ""
    expected: str = ""
    fix: str = ""

    def bad(self, found: str | Unknown, expected: str = "", fix: str | None = None, about: str = "") -> "Check":
        """Return what was found instead of what this asks for; of what is not known, why there is no result.

        Args:
            found: What is there.
            expected: What is declared.
            fix: The command that repairs it; empty where there is none, None where that of the question does.
            about: What differs; empty where it is the whole of what was asked.
        """
        if isinstance(found, Unread):
            return self.unanswered(found.error)
        if isinstance(found, Unknown):
            return replace(self, outcome=Outcome.CANNOT_TELL, found=found.reason, fix="")
        fix, about = self.fix if fix is None else fix, about or self.about
        return replace(self, outcome=Outcome.FINDING, found=found, expected=expected, fix=fix, about=about)

    def unanswered(self, error: Exception) -> "Check":
        """Return why this has no result."""
        return replace(self, outcome=outcome_of(error), found=reason_of(error), fix="")


def ask(asked: Check, question: Callable[[Check], Iterable[Check]]) -> list[Check]:
    """Return the checks of one question; where its answer fails, the last one says why, and the next one is asked.

    Args:
        asked: What is asked; its fix is the command that restores what the stack declares.
        question: Returns what it finds; nothing where all is good.
    """
    checks = list[Check]()
    try:
        checks.extend(question(asked))
    except Exception as error:
        checks.append(asked.unanswered(error))
    return [*dict.fromkeys(checks)] or [replace(asked, fix="")]


@dataclass(frozen=True)
class Report:
    """All checks of one run."""

    subcommand: str
    stack: str
    checks: Sequence[Check]
    notes: Sequence[str] = ()
    """Lines for a reader, below the table."""

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        outcomes = {check.outcome for check in self.checks}
        if Outcome.FINDING in outcomes:
            return FINDINGS
        # Where nothing was checked, nothing is known to be good.
        looked = outcomes & {Outcome.OK, Outcome.UNPROVEN}
        return GOOD if looked and outcomes.isdisjoint(UNANSWERED) else COULD_NOT_LOOK


def by_binding(checks: Iterable[Check]) -> dict[str, list[Check]]:
    """Return the checks of each binding, in their order."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.binding, []).append(check)
    return found


def worst(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the worst of these outcomes; None if there is none."""
    present = set(outcomes)
    return next((outcome for outcome in WORST_FIRST if outcome in present), None)
