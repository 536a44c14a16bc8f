"""How much of IAM's quotas a binding uses, as far as known without look-ups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from config.argument_places import place_of
from config.located_mistake import LocatedMistake
from config.models import Binding, Stack
from config.policy_sources import PolicySources
from config.trust_policies import trust_of
from config.variables import CheckVariables
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import chaining_policy
from irsa.rules.quotas import Usage, check_usage
from irsa.rules.trust import minified
from irsa.rules.usage import role_usages, tags_usage, trust_usage


class PlacedUsage(NamedTuple):
    """How much of a quota a binding uses, and the setting that adds to it."""

    place: Place
    usage: Usage


def quota_usages(
    stack: Stack, sources: PolicySources, variables: CheckVariables
) -> tuple[Mapping[str, Sequence[PlacedUsage]], list[LocatedMistake]]:
    """Return how much of each quota every binding uses, and a mistake for each quota that one exceeds.

    Args:
        stack: A stack with its defaults in the bindings.
        sources: Its policy sources.
        variables: Their variables.
    """
    usages: dict[str, Sequence[PlacedUsage]] = {}
    mistakes: list[LocatedMistake] = []
    for key, binding in stack.bindings.items():
        within: list[PlacedUsage] = []
        usages[key] = within
        try:
            of_binding = [*_usages(key, binding, stack, sources, variables)]
        except Mistake as mistake:
            # The file was checked as an inline policy, which may be larger.
            mistakes.append(sources.locate(("bindings", key, "policy"), ("Statement",), mistake))
            continue
        for placed in of_binding:
            try:
                check_usage(placed.usage)
                within.append(placed)
            except Mistake as mistake:
                mistakes.append(LocatedMistake(placed.place, mistake))
    return usages, mistakes


def _usages(
    key: str, binding: Binding, stack: Stack, sources: PolicySources, variables: CheckVariables
) -> Iterator[PlacedUsage]:
    """Yield how much of each quota a binding uses."""
    place: Place = ("bindings", key)
    role, policy = binding.role, binding.policy
    if role.arn:
        return
    yield PlacedUsage((*place, "role", "tags"), tags_usage("role", role.tags))
    if policy:
        yield PlacedUsage((*place, "policy", "tags"), tags_usage("policy", policy.tags))
    trust = trust_of(binding, stack, sources, variables)
    yield PlacedUsage((*place, "trust"), trust_usage(trust.policy, stack.quotas.trust_policy_size))
    parts = sources.parts((*place, "policy"), policy.document) if policy and policy.document else 0
    inline = [minified(sources.with_samples(source.document)) for source in binding.inline_policies.values()]
    if binding.assume_role_arns:
        inline.append(chaining_policy(sources.with_samples(binding.assume_role_arns)))
    policy_arns = len(set(sources.with_samples(binding.policy_arns)))
    for argument, usage in role_usages(parts, policy_arns, inline, stack.quotas.attached_policies):
        yield PlacedUsage((*place, *place_of(argument)), usage)
