"""What `pulumi up` would refuse, from the plan, what AWS and Kubernetes have, and what the stack's state holds."""

from collections.abc import Iterable

from config import live_rules
from config.located_mistake import LocatedMistake
from config.models import Stack
from irsa.rules.mistakes import Place
from program.live.held import Held
from program.live.in_iam import account_quotas, iam_conflicts, provider_conflicts
from program.live.in_kubernetes import kubernetes_conflicts
from program.live.planned import planned_components
from program.live.reads import Reads
from program.lookups import Lookups
from program.plan import Plan

# What `pulumi up` does without refusing.
WARNINGS = frozenset({live_rules.INLINE_POLICY_EXISTS, live_rules.PODS_LOSE_ROLE})


def conflicts(stack: Stack, plan: Plan, lookups: Lookups, reads: Reads, held: Held) -> list[LocatedMistake]:
    """Return what `pulumi up` would refuse, or would take from others; the rules of the latter are WARNINGS."""
    components = planned_components(stack, plan, lookups, reads)
    return each_once(
        [
            *kubernetes_conflicts(components, held, plan.retain_namespaces),
            *iam_conflicts(components, held),
            *provider_conflicts(stack, lookups, reads, held),
            *account_quotas(components, held),
        ]
    )


def each_once(mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
    """Return the mistakes without duplicates: one setting of a binding may be of several components."""
    found: dict[tuple[str, Place, str], LocatedMistake] = {}
    for mistake in mistakes:
        found.setdefault((mistake.rule, mistake.place, mistake.mistake.found), mistake)
    return list(found.values())
