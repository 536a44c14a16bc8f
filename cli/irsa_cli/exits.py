"""How the command ends: its exit codes, and why a question got no answer."""

GOOD, FINDINGS, COULD_NOT_LOOK = 0, 1, 2
EXIT_CODES = "exit codes: 0 all good, 1 findings, 2 could not look"


class CouldNotLookError(Exception):
    """A question that got no answer, and why: no right to ask, nobody there."""

    def __init__(self, reason: str) -> None:
        """Take the reason, of which every report has one line."""
        super().__init__(" ".join(reason.split()))


def unexpected(error: Exception) -> str:
    """Say that the fault is ours. No word of the error's own: it may hold a token."""
    return f"unexpected {type(error).__name__}; please report it"
