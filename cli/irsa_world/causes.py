"""Why AWS or Kubernetes gives no answer, as far as there is advice for it; and the codes by which AWS says so."""

import re
from collections.abc import Mapping
from enum import Enum, auto


class Cause(Enum):
    """Why a question has no answer."""

    UNKNOWN = auto()
    NOT_FOUND = auto()
    PROFILE_MISSING = auto()
    REGION_MISSING = auto()
    EXPIRED = auto()
    NO_CREDENTIALS = auto()
    CLOCK = auto()
    INVALID_CREDENTIALS = auto()
    WRONG_AWS_ACCOUNT = auto()
    NOT_TRUSTED = auto()
    NO_CONNECTION = auto()
    THROTTLED = auto()
    ROLE_NOT_ASSUMABLE = auto()
    DENIED = auto()


# Sources: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html,
# https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html and
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
CODES: Mapping[Cause, tuple[str, ...]] = {
    Cause.NOT_FOUND: ("ResourceNotFoundException", "NoSuchEntity"),
    Cause.EXPIRED: ("ExpiredToken", "ExpiredTokenException"),
    Cause.CLOCK: ("RequestTimeTooSkewed", "RequestExpired"),
    Cause.INVALID_CREDENTIALS: (
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ),
    Cause.THROTTLED: (
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    Cause.DENIED: ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"),
}
# STS has one code for a wrong key and for a wrong clock.
OF_A_WRONG_CLOCK = "signature (?:expired|not yet current)"


def cause_of(code: str, message: str = "") -> Cause:
    """Return why AWS answered with an error of this code and message."""
    if code == "SignatureDoesNotMatch" and re.match(OF_A_WRONG_CLOCK, message, re.IGNORECASE):
        return Cause.CLOCK
    return next((cause for cause, codes in CODES.items() if code in codes), Cause.UNKNOWN)
