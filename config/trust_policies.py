"""The trust policies of a stack file's roles, as far as they are known before anything is looked up."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from config.models import Binding, Cluster, Stack
from config.policy_sources import PolicySources
from config.variables import CheckVariables
from irsa.evaluation.admission import Admission, admission
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.policies import policy_size
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, trust_document


class TrustPolicy(NamedTuple):
    """A trust policy, the OIDC providers of its role's clusters, and whom it is for."""

    policy: str
    provider_arns: Sequence[str]
    subjects: Sequence[str]
    audience: str


class JudgedTrust(NamedTuple):
    """Whom the trust policy of a binding's role admits, and how many statements of it irsa writes in front."""

    admission: Admission
    first_statement: int


def judged_trusts(stack: Stack, sources: PolicySources, variables: CheckVariables) -> Mapping[str, JudgedTrust]:
    """Return, by binding, whom a trust policy admits that has statements of the caller's.

    One that is too long for IAM is a mistake already, and would take long.
    """
    trusts = {
        key: trust_of(binding, stack, sources, variables)
        for key, binding in stack.bindings.items()
        if binding.trust.statements and not binding.role.arn
    }
    return {
        key: JudgedTrust(admission(*trust), len(trust.provider_arns))
        for key, trust in trusts.items()
        if policy_size(trust.policy) <= stack.quotas.trust_policy_size
    }


def trust_of(binding: Binding, stack: Stack, sources: PolicySources, variables: CheckVariables) -> TrustPolicy:
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
    audience = binding.audience or DEFAULT_AUDIENCE
    conditions = sources.with_samples(binding.trust.conditions)
    statements = sources.with_samples(binding.trust.statements)
    policy = trust_document(providers, subjects, audience, conditions, statements)
    return TrustPolicy(policy, sorted(set(providers)), subjects, audience)
