"""How much a role uses of IAM's quotas."""

from collections.abc import Iterable, Iterator, Mapping

from irsa.rules import quotas
from irsa.rules.mistakes import Place
from irsa.rules.policies import largest_policy_size, policy_size
from irsa.rules.quotas import Usage


def tags_usage(what: str, tags: Mapping[str, object]) -> Usage:
    """Return how much of the quota on tags a role or a policy uses."""
    return Usage(f"tags of the {what}", len(tags), quotas.TAGS)


def trust_usage(trust_policy: str, quota: int = quotas.TRUST_POLICY_SIZE) -> Usage:
    """Return how much of the quota a trust policy uses, in characters without white space."""
    what, setting = "characters of the trust policy", ("quotas", "trust_policy_size")
    return Usage(what, policy_size(trust_policy), quota, setting, largest_policy_size(trust_policy))


def document_usage(document: str) -> Usage:
    """Return how much of the quota one managed policy uses, in characters without white space."""
    what = "characters of the policy document"
    return Usage(what, policy_size(document), quotas.MANAGED_POLICY_SIZE, None, largest_policy_size(document))


def role_usages(
    attached_policies: int, inline_policies: Iterable[str], quota: int = quotas.ATTACHED_POLICIES
) -> Iterator[tuple[Place, Usage]]:
    """Yield how much a role's permissions use of each quota, at least, with the argument that adds to it."""
    attached = Usage("managed policies of the role", attached_policies, quota, ("quotas", "attached_policies"))
    yield ("policy_arns",), attached
    sizes = [(policy_size(document), largest_policy_size(document)) for document in inline_policies]
    least, most = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    what = "characters of all inline policies"
    yield ("inline_policies",), Usage(what, least, quotas.INLINE_POLICIES_SIZE, None, most)
