"""How much a role uses of IAM's quotas."""

from collections.abc import Iterable, Iterator, Mapping

from irsa.rules.mistakes import Part
from irsa.rules.policies import policy_size
from irsa.rules.quotas import (
    ATTACHED_POLICIES,
    INLINE_POLICIES_SIZE,
    MANAGED_POLICY_SIZE,
    TAGS,
    TRUST_POLICY_SIZE,
    Usage,
)


def tags_usage(what: str, tags: Mapping[str, object]) -> Usage:
    """Return how much of the quota on tags a role or a policy uses."""
    return Usage(f"tags of the {what}", len(tags), TAGS)


def trust_usage(trust_policy: str, quota: int = TRUST_POLICY_SIZE) -> Usage:
    """Return how much of the quota a trust policy uses, in characters without white space."""
    return Usage("characters of the trust policy", policy_size(trust_policy), quota, ("trust_policy_size_quota",))


def document_usage(document: str) -> Usage:
    """Return how much of the quota one managed policy uses, in characters without white space."""
    return Usage("characters of the policy document", policy_size(document), MANAGED_POLICY_SIZE)


def role_usages(
    policy_parts: int, policy_arns: int, inline_policies: Iterable[str], quota: int = ATTACHED_POLICIES
) -> Iterator[tuple[Part, Usage]]:
    """Yield how much a role's permissions use of each quota, with the argument that adds to it.

    Args:
        policy_parts: Number of managed policies that are created.
        policy_arns: Number of existing managed policies.
        inline_policies: The documents of the inline policies.
        quota: Managed policies that the AWS account allows on a role.
    """
    attached = Usage("managed policies of the role", policy_parts + policy_arns, quota, ("attached_policies_quota",))
    yield ("policy_arns",), attached
    size = sum(map(policy_size, inline_policies))
    yield ("inline_policies",), Usage("characters of all inline policies", size, INLINE_POLICIES_SIZE)
