"""IAM's quotas on sizes and counts.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. AWS raises the first two on request.
"""

from typing import NamedTuple

from irsa.rules.mistakes import Mistake, Place

TRUST_POLICY_SIZE, LARGEST_TRUST_POLICY_SIZE = 2_048, 8_192
ATTACHED_POLICIES = 10
MANAGED_POLICY_SIZE = 6_144
INLINE_POLICIES_SIZE = 10_240
# With white space: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (Policy)
SESSION_POLICY_SIZE = 2_048
TAGS = 50
WARNING_PERCENT = 80


class Usage(NamedTuple):
    """How much of a quota is used."""

    what: str
    used: int
    quota: int
    setting: Place | None = None
    """The argument that holds the quota, where AWS raises it on request."""

    @property
    def share(self) -> float:
        """The part of the quota that is used."""
        return self.used / self.quota

    def __str__(self) -> str:
        """Return used and quota, such as `characters of the trust policy: 1,700 of 2,048`."""
        return f"{self.what}: {self.used:,} of {self.quota:,}"


def check_usage(usage: Usage) -> bool:
    """Return whether more than 80% of the quota is used.

    Raises:
        Mistake: More than the quota is used.
    """
    if usage.used <= usage.quota:
        return usage.share * 100 > WARNING_PERCENT
    found, allowed = f"{usage.what}: {usage.used:,}", f"at most {usage.quota:,}"
    if usage.setting is None:
        raise Mistake(found, allowed, "use fewer")
    raise Mistake(found, allowed, "use fewer; or, if AWS raised your quota, set {}", usage.setting)


class Seconds(NamedTuple):
    """The limits of a setting in seconds; `longest` is None where there is none."""

    least: int
    longest: int | None
    words: str


# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
SESSION_DURATION = Seconds(3_600, 43_200, "3,600 to 43,200 (a limit of IAM)")
# https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
TOKEN_EXPIRATION = Seconds(600, None, "at least 600 (a limit of Kubernetes)")
USUAL_TOKEN_EXPIRATION = 86_400


def check_seconds(seconds: int, limits: Seconds) -> int:
    """Return the seconds when they are within the limits.

    Raises:
        Mistake: They are not.
    """
    if seconds >= limits.least and (limits.longest is None or seconds <= limits.longest):
        return seconds
    raise Mistake(f"{seconds} seconds", limits.words, "write a number of seconds in that range")
