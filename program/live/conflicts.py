"""What `pulumi up` would refuse, from the plan, what AWS and Kubernetes have, and what the stack's state holds."""

from collections.abc import Collection

from config.located_mistake import LocatedMistake
from config.models import Stack
from program.live.held import Held
from program.live.in_iam import account_quotas, iam_conflicts, missing_roles, provider_conflicts
from program.live.in_kubernetes import kubernetes_conflicts
from program.live.planned import Planned
from program.live.reads import Reads
from program.lookups import rules as live_rules
from program.lookups.values import Lookups

# What `pulumi up` does without refusing, or what AWS may have raised.
WARNINGS = {
    live_rules.DEFAULT_QUOTA,
    live_rules.FAILED_UPDATE,
    live_rules.INLINE_POLICY_EXISTS,
    live_rules.PODS_LOSE_ROLE,
    live_rules.ROLE_MISSING,
}
# What must exist, whoever created it. Of all else, the state may say that it is the stack's own, which is no conflict.
MISSING = {
    live_rules.BOUNDARY_MISSING,
    live_rules.NAMESPACE_MISSING,
    live_rules.POLICY_MISSING,
    live_rules.ROLE_MISSING,
    live_rules.SERVICE_ACCOUNT_MISSING,
}


def conflicts(
    stack: Stack, components: Collection[Planned], lookups: Lookups, reads: Reads, held: Held | None
) -> list[LocatedMistake]:
    """Return what `pulumi up` would refuse, or would overwrite.

    Where the stack's state cannot be read, `held` is None: then what may be its own is left out.
    """
    known = held or Held()
    found = [
        *kubernetes_conflicts(components, known, stack.defaults.retain_namespaces),
        *iam_conflicts(components, known),
        *provider_conflicts(stack, lookups, reads, known),
        *missing_roles(components, reads),
        *account_quotas(components, known),
    ]
    return [conflict for conflict in found if held is not None or conflict.rule in MISSING]
