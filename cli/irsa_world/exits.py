"""How the command ends: its exit codes, and why a question got no answer."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from irsa_world.causes import Cause

GOOD, FINDINGS, USAGE, COULD_NOT_LOOK, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 4, 130
EXIT_CODES = """\
exit codes: 0 good, 1 a finding (whatever else is not known), 2 wrong arguments,
3 cannot tell or not proven, 4 unexpected error, 130 interrupted"""


class CouldNotLookError(Exception):
    """A question without an answer, and why: no credentials, no connection, no file."""

    exit_code = COULD_NOT_LOOK
    cause = Cause.UNKNOWN
    about = ""
    """What the cause is about: a profile, a role, an AWS account."""

    def __init__(self, reason: str, cause: Cause | None = None, about: str = "") -> None:
        """Keep the reason as one line: a report has one line for each."""
        super().__init__(" ".join(reason.split()))
        self.cause, self.about = cause or self.cause, about


class UsageError(CouldNotLookError):
    """A question that nobody can answer: arguments of which one is wrong, or that do not go together."""

    exit_code = USAGE


class NoPermissionError(CouldNotLookError):
    """A question that AWS or Kubernetes does not allow these credentials to ask."""

    cause = Cause.DENIED


class NotAuthenticatedError(NoPermissionError):
    """A question that was not answered, because Kubernetes does not know these credentials."""


class PartlyReadError(CouldNotLookError):
    """A list of which some objects cannot be read; `readable` has the others."""

    def __init__(self, reason: str, readable: Sequence[Any]) -> None:
        """Keep the reason, and what can be read."""
        super().__init__(reason)
        self.readable = readable


class SecretInStateError(CouldNotLookError):
    """A question about a value that the state keeps as a secret, which stays encrypted."""


def failed_request(reason: str, status: int, cause: Cause | None = None, about: str = "") -> CouldNotLookError:
    """Return the error for a request that was answered with this HTTP status.

    Sources: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html,
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/
    """
    errors: dict[int, type[CouldNotLookError]] = {
        HTTPStatus.UNAUTHORIZED: NotAuthenticatedError,
        HTTPStatus.FORBIDDEN: NoPermissionError,
    }
    return errors.get(status, CouldNotLookError)(reason, cause, about)


def unexpected(error: Exception) -> str:
    """Return a message for a defect of irsa. It has no word of the error's own: one may be a token."""
    return f"unexpected {type(error).__name__}; please report it"
