"""IAM's quotas on sizes and numbers.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. AWS raises the first two on request.
"""

from typing import NamedTuple

from irsa.rules.mistakes import Mistake, Part

TRUST_POLICY_SIZE = 2_048
ATTACHED_POLICIES = 10
MANAGED_POLICY_SIZE = 6_144
INLINE_POLICIES_SIZE = 10_240
TAGS = 50
WARNING_PERCENT = 80


class Usage(NamedTuple):
    """How much of a quota is used."""

    what: str
    used: int
    quota: int
    setting: Part | None = None
    """The argument that says how far AWS raised the quota."""
    at_most: int | None = None
    """How much is used where AWS does not say what counts; `used` is the least."""

    @property
    def share(self) -> float:
        """How much of the quota is used, at most."""
        return max(self.used, self.at_most or 0) / self.quota

    def __str__(self) -> str:
        """Return used and quota, as `1,700 of 2,048`, or `2,000 to 2,100 of 2,048`."""
        used = f"{self.used:,} to {self.at_most:,}" if (self.at_most or 0) > self.used else f"{self.used:,}"
        return f"{self.what}: {used} of {self.quota:,}"


def check_usage(usage: Usage) -> bool:
    """Tell whether more than 80% of the quota is used.

    Raises:
        Mistake: More than the quota.
    """
    if usage.used <= usage.quota:
        return usage.share * 100 > WARNING_PERCENT
    found, allowed = f"{usage.what}: {usage.used:,}", f"at most {usage.quota:,}"
    if usage.setting is None:
        raise Mistake(found, allowed, "use less")
    raise Mistake(found, allowed, "if AWS raised the quota, set {}; else use less", usage.setting)


class Seconds(NamedTuple):
    """A setting in seconds and its limits; `longest` is None where there is none."""

    least: int
    longest: int | None
    words: str


# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
SESSION_DURATION = Seconds(3_600, 43_200, "3,600 to 43,200, as IAM asks")
# https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
TOKEN_EXPIRATION = Seconds(600, None, "at least 600, as Kubernetes asks")
USUAL_TOKEN_EXPIRATION = 86_400


def check_seconds(seconds: int, limits: Seconds) -> int:
    """Return the seconds when they are within the limits.

    Raises:
        Mistake: They are not.
    """
    if seconds >= limits.least and (limits.longest is None or seconds <= limits.longest):
        return seconds
    raise Mistake(f"{seconds} seconds", limits.words, "write a number of seconds in that range")
