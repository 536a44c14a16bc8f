"""What takes the place of an answer: a question that was not asked, or why it has none."""

from typing import TypeVar

from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import Unknown
from irsa_world.exits import CouldNotLookError, unexpected

T = TypeVar("T")


class NotCheckedError(Exception):
    """A question that is not asked, and why."""


class Unread(Unknown):
    """Takes the place of what a question had no answer for.

    Attributes:
        error: Why.
    """

    def __init__(self, error: Exception) -> None:
        """Keep the error."""
        super().__init__(reason_of(error))
        self.error = error


def read(value: T) -> T:
    """Return what was read.

    Raises:
        Exception: Why it was not.
    """
    if isinstance(value, Unread):
        raise value.error
    return value


def reason_of(error: Exception) -> str:
    """Return why a question has no answer, in words that may be shown."""
    return str(error) if isinstance(error, CouldNotLookError | NotCheckedError | Mistake) else unexpected(error)
