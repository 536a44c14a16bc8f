"""What a binding uses of IAM's quotas, as far as it is known before anything is looked up."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from config.arguments import place_of
from config.documents import Documents
from config.models import Binding, Cluster, Stack
from config.places import LocatedMistake, Place
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import chaining_policy
from irsa.rules.quotas import Usage, check_usage
from irsa.rules.trust import DEFAULT_AUDIENCE, minified, trust_document
from irsa.rules.usage import role_usages, tags_usage, trust_usage


class PlacedUsage(NamedTuple):
    """A usage, and the setting that it grows with."""

    place: Place
    usage: Usage


def quota_findings(stack: Stack, documents: Documents, variables: Mapping[str, str]) -> Iterator[LocatedMistake]:
    """Yield what is over a quota, and as `near-limit` what is over 80% of one.

    Args:
        stack: A stack with its defaults in the bindings.
        documents: Its documents.
        variables: Their variables.
    """
    for key, binding in stack.bindings.items():
        try:
            found_usages = [*_usages(key, binding, stack, documents, variables)]
        except Mistake as mistake:
            # A file that was examined as an inline policy, of which IAM takes more.
            yield documents.locate(("bindings", key, "policy"), ("Statement",), mistake)
            continue
        for place, usage in found_usages:
            try:
                near = check_usage(usage)
            except Mistake as mistake:
                yield LocatedMistake(place, mistake)
                continue
            if near:
                found = f"{usage} ({usage.used / usage.quota:.0%})"
                fix = "divide the binding before it grows over the limit"
                yield LocatedMistake(place, Mistake(found, "under 80%, so that it can grow", fix), rule="near-limit")


def _usages(
    key: str, binding: Binding, stack: Stack, documents: Documents, variables: Mapping[str, str]
) -> Iterator[PlacedUsage]:
    """Give what a binding uses of each quota."""
    place: Place = ("bindings", key)
    role, policy = binding.role, binding.policy
    if role.arn:
        return
    yield PlacedUsage((*place, "role", "tags"), tags_usage("role", role.tags))
    if policy:
        yield PlacedUsage((*place, "policy", "tags"), tags_usage("policy", policy.tags))
    trust = _trust_policy(binding, stack, documents, variables)
    yield PlacedUsage((*place, "trust"), trust_usage(trust, stack.quotas.trust_policy_size))
    parts = documents.parts((*place, "policy"), policy.document) if policy and policy.document else 0
    inline = [minified(documents.filled(source.document)) for source in binding.inline_policies.values()]
    if binding.assume_role_arns:
        inline.append(chaining_policy(documents.filled(binding.assume_role_arns)))
    policy_arns = len(set(documents.filled(binding.policy_arns)))
    for argument, usage in role_usages(parts, policy_arns, inline, stack.quotas.attached_policies):
        yield PlacedUsage((*place, *place_of(argument)), usage)


def _trust_policy(binding: Binding, stack: Stack, documents: Documents, variables: Mapping[str, str]) -> str:
    """Give the trust policy, with issuers of the usual length where they are to be looked up."""
    account = binding.service_account
    subjects = [*binding.trust.subjects, *([f"{account.namespace}:{account.name}"] if account else [])]
    clusters = stack.clusters if stack.cluster is None else {"": stack.cluster}
    # A cluster with mistakes is left out; the role trusts one at least.
    chosen = [clusters[name] for name in binding.clusters or clusters if name in clusters] or [Cluster()]
    providers = [
        cluster.oidc_provider_arn
        or oidc_provider_arn(
            variables["partition"],
            variables["account"],
            cluster.oidc_issuer or f"https://oidc.eks.{variables['region']}.amazonaws.com/id/{index:0>32}",
        )
        for index, cluster in enumerate(chosen)
    ]
    conditions, statements = documents.filled(binding.trust.conditions), documents.filled(binding.trust.statements)
    return trust_document(providers, subjects, binding.audience or DEFAULT_AUDIENCE, conditions, statements)
