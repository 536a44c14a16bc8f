"""How much of IAM's quotas a binding uses, as far as known without look-ups."""

from collections.abc import Iterator, Mapping, Sequence

from config.argument_places import place_of
from config.lint import PlacedUsage
from config.located_mistake import LocatedMistake, Place
from config.models import Binding, Cluster, Stack
from config.policy_sources import PolicySources
from config.variables import CheckVariables
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import chaining_policy
from irsa.rules.quotas import check_usage
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, minified, trust_document
from irsa.rules.usage import role_usages, tags_usage, trust_usage


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
    trust = _trust_policy(binding, stack, sources, variables)
    yield PlacedUsage((*place, "trust"), trust_usage(trust, stack.quotas.trust_policy_size))
    parts = sources.parts((*place, "policy"), policy.document) if policy and policy.document else 0
    inline = [minified(sources.with_samples(source.document)) for source in binding.inline_policies.values()]
    if binding.assume_role_arns:
        inline.append(chaining_policy(sources.with_samples(binding.assume_role_arns)))
    policy_arns = len(set(sources.with_samples(binding.policy_arns)))
    for argument, usage in role_usages(parts, policy_arns, inline, stack.quotas.attached_policies):
        yield PlacedUsage((*place, *place_of(argument)), usage)


def _trust_policy(binding: Binding, stack: Stack, sources: PolicySources, variables: CheckVariables) -> str:
    """Return the trust policy, with placeholders of the usual length for issuers that are looked up later."""
    service_account = binding.service_account
    subjects = [*binding.trust.subjects]
    if service_account:
        subjects.append(subject_of(service_account.namespace or DEFAULT_NAMESPACE, service_account.name))
    clusters = stack.clusters_by_key
    # Clusters with mistakes are left out; the role trusts at least one.
    chosen = [clusters[name] for name in binding.clusters or clusters if name in clusters] or [Cluster()]
    providers = [
        cluster.oidc_provider_arn
        or oidc_provider_arn(
            variables.values["partition"],
            variables.values["account"],
            cluster.oidc_issuer or f"https://oidc.eks.{variables.values['region']}.amazonaws.com/id/{index:0>32}",
        )
        for index, cluster in enumerate(chosen)
    ]
    conditions, statements = (
        sources.with_samples(binding.trust.conditions),
        sources.with_samples(binding.trust.statements),
    )
    return trust_document(providers, subjects, binding.audience or DEFAULT_AUDIENCE, conditions, statements)
