"""IAM's quotas on sizes and numbers.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. AWS raises the first two on request.
"""

from typing import NamedTuple

from irsa.rules.mistakes import Mistake

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
    setting: str | None = None
    """The key of `irsa:quotas` by which a raised quota is told."""

    def __str__(self) -> str:
        """Give used and quota, as `1,700 of 2,048`."""
        return f"{self.what}: {self.used:,} of {self.quota:,}"


def check_usage(usage: Usage) -> bool:
    """Tell whether more than 80% of the quota is used.

    Raises:
        Mistake: More than the quota.
    """
    if usage.used <= usage.quota:
        return usage.used * 100 > usage.quota * WARNING_PERCENT
    fix = f"if AWS raised the quota, set irsa:quotas.{usage.setting}; else use less" if usage.setting else "use less"
    raise Mistake(f"{usage.what}: {usage.used:,}", f"at most {usage.quota:,}", fix)
