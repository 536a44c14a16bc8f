"""The trust policies of a stack file's roles, as far as they are known before anything is looked up."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from config.lint import JudgedTrust
from config.models import Binding, Cluster, Stack
from config.policy_sources import PolicySources
from config.variables import CheckVariables
from irsa.evaluation.admission import admission
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.trust import DEFAULT_AUDIENCE, trust_document


class Trust(NamedTuple):
    """A trust policy, the OIDC providers of its role's clusters, and whom it is for."""

    policy: str
    provider_arns: Sequence[str]
    subjects: Sequence[str]
    audience: str


def judged_trusts(stack: Stack, sources: PolicySources, variables: CheckVariables) -> Mapping[str, JudgedTrust]:
    """Return, by binding, whom a trust policy admits that has statements of the caller's."""
    trusts = {
        key: trust_of(binding, stack, sources, variables)
        for key, binding in stack.bindings.items()
        if binding.trust.statements and not binding.role.arn
    }
    return {key: JudgedTrust(admission(*trust), len(trust.provider_arns)) for key, trust in trusts.items()}


def trust_of(binding: Binding, stack: Stack, sources: PolicySources, variables: CheckVariables) -> Trust:
    """Return the trust policy, with issuers of the usual length where they are to be looked up."""
    service_account = binding.service_account
    own = [f"{service_account.namespace}:{service_account.name}"] if service_account else []
    subjects = [*binding.trust.subjects, *own]
    clusters = stack.clusters_by_key
    # A cluster with mistakes is left out; the role trusts one at least.
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
    audience = binding.audience or DEFAULT_AUDIENCE
    conditions, statements = sources.filled(binding.trust.conditions), sources.filled(binding.trust.statements)
    policy = trust_document(providers, subjects, audience, conditions, statements)
    return Trust(policy, sorted(set(providers)), subjects, audience)
