"""IAM's quotas on sizes and counts.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. AWS raises the first two on request.
"""

from typing import NamedTuple

from irsa.rules.mistakes import Mistake, Place

TRUST_POLICY_SIZE = 2_048
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


class NumberLimits(NamedTuple):
    """The limits of a number; `most` is None where there is none."""

    least: int
    most: int | None
    words: str
    found: str = "{:,}"
    fix: str = "write the quota of your AWS account"


_OF_SECONDS = ("{} seconds", "write a number of seconds in that range")
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
SESSION_DURATION = NumberLimits(3_600, 43_200, "3,600 to 43,200 (a limit of IAM)", *_OF_SECONDS)
# https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
TOKEN_EXPIRATION = NumberLimits(600, None, "at least 600 (a limit of Kubernetes)", *_OF_SECONDS)
USUAL_TOKEN_EXPIRATION = 86_400
OF_TRUST_POLICY_SIZE = NumberLimits(TRUST_POLICY_SIZE, 8_192, "2,048 to 8,192 characters")
OF_ATTACHED_POLICIES = NumberLimits(1, None, "at least 1")


def check_number(number: int, limits: NumberLimits) -> int:
    """Return the number when it is within the limits.

    Raises:
        Mistake: It is not.
    """
    if number >= limits.least and (limits.most is None or number <= limits.most):
        return number
    raise Mistake(limits.found.format(number), limits.words, limits.fix)
