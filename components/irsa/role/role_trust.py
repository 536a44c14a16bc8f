"""The trust policy of a role to create: its document, whom it admits, and how much of its quota it uses."""

import sys
from typing import Any, NamedTuple

from irsa.evaluation.admission import Admission, admission
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.read import Arguments
from irsa.role.add_ons import service_account_of
from irsa.role.ways import has_session_tags, ways_of
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import policy_size, trust_usage
from irsa.rules.quotas import TRUST_POLICY_SIZE, Usage
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, known_conditions
from irsa.rules.unknown import Unknown, Value, derive, has_unknown, known_or, least, or_else
from irsa.rules.variables import with_examples
from irsa.ways import TrustParts, trust_document

SUBJECTS: Place = ("trust", "subjects")
STATEMENTS: Place = ("trust", "statements")


class RoleTrust(NamedTuple):
    """The trust policy of the role to create, and whom it admits."""

    policy: Value[str]
    example: Value[str]
    """The same with examples of what is looked up later, for rules and sizes."""
    subjects: Value[list[str]] | Value[list[str] | None]
    """The patterns that the trust policy admits, sorted; None where that cannot be told, or a Deny excludes some."""
    reached: Value[list[str]] | Value[list[str] | None]
    """The same, with those whom a Deny excludes: nobody else is admitted."""
    admission: Value[Admission] | None
    """Whom the trust policy admits, where it has statements of the caller's."""


def trust_of(arguments: Arguments, binding: ServiceAccountRoleKeys) -> RoleTrust:
    """Return the trust policy that the arguments declare."""
    trust, subjects, identity = binding.trust, _subjects(binding), ways_of(binding)
    clusters = or_else(binding.cluster_arns, {}) if identity.needs("cluster_arns") else {}
    of_parts = (
        or_else(binding.oidc_provider_arns, []),
        subjects,
        or_else(binding.audience, DEFAULT_AUDIENCE),
        trust.conditions,
        or_else(trust.statements, []),
        clusters if isinstance(clusters, Unknown) else [*clusters.values()],
        has_session_tags(binding),
    )

    def document(*parts: Any) -> Value[str]:
        return derive(lambda *known: trust_document(TrustParts(*known), identity.trusted), *parts)

    examples = [*map(with_examples, of_parts)]
    example = document(*examples)
    # Without statements of the caller's, the trust policy admits its subjects and nobody else.
    judged = _admission(arguments, binding, derive(TrustParts, *examples), example) if trust.statements else None
    return RoleTrust(
        policy=document(*of_parts) if has_unknown(of_parts) else example,
        example=example,
        subjects=subjects
        if judged is None
        else derive(lambda known: None if known.has_exceptions else known.subjects, judged),
        reached=subjects if judged is None else derive(lambda known: known.subjects, judged),
        admission=judged,
    )


def _admission(
    arguments: Arguments, binding: ServiceAccountRoleKeys, parts: Value[TrustParts], document: Value[str]
) -> Value[Admission]:
    """Return whom the final trust policy admits."""

    def compute(document: str, parts: TrustParts) -> Admission:
        nothing = Admission()
        # One that trusts nobody, or is too long for IAM and would take long, is a mistake already.
        if not document or policy_size(document) > _trust_quota(binding):
            return nothing
        try:
            found = admission(document, parts.oidc_provider_arns, parts.subjects, parts.audience)
            for way in ways_of(binding).trusted:
                more, refused = way.admits(document, parts)
                every = None if found.subjects is None else sorted({*found.subjects, *more})
                found = found._replace(refused=tuple(sorted({*found.refused, *refused})), subjects=every)
        except Mistake as mistake:
            arguments.found.append((STATEMENTS, mistake))
            return nothing
        return found

    return derive(compute, document, parts)


def _subjects(binding: ServiceAccountRoleKeys) -> Value[list[str]]:
    """Return the sorted `namespace:name` patterns that the role trusts, those of its service account included."""
    account = service_account_of(binding)
    own = account and [or_else(account.namespace, DEFAULT_NAMESPACE), account.name]
    further = or_else(binding.trust.subjects, [])
    return derive(lambda further, own: sorted({*further, *([subject_of(*own)] if own else [])}), further, own)


def quota_of(quota: Value[int] | None, usual: int) -> int:
    """Return the quota of an AWS account; one that is not known refuses nothing."""
    return sys.maxsize if isinstance(quota, Unknown) else usual if quota is None else quota


def _trust_quota(binding: ServiceAccountRoleKeys) -> int:
    return quota_of(binding.quotas.trust_policy_size if binding.quotas else None, TRUST_POLICY_SIZE)


def trust_usage_of(binding: ServiceAccountRoleKeys, trust: RoleTrust) -> Usage:
    """Return how much the trust policy uses of its quota, at least: without what is not known of it."""
    quota = _trust_quota(binding)
    if isinstance(trust.example, str):
        return trust_usage(trust.example, quota)
    account, identity = binding.service_account, ways_of(binding)
    names = [or_else(account.namespace, DEFAULT_NAMESPACE), account.name] if account else []
    own = [subject_of(*strings_of(names))] if names and not has_unknown(names) else []
    subjects = strings_of(known_or(binding.trust.subjects, []))
    clusters = [*known_or(binding.cluster_arns, {}).values()] if identity.needs("cluster_arns") else []
    has_providers = identity.needs("oidc_provider_arns") or not clusters
    providers = strings_of(known_or(binding.oidc_provider_arns, [])) or [SHORTEST_PROVIDER]
    return trust_usage(
        trust_document(
            TrustParts(
                providers if has_providers else [],
                [*subjects, *own] or [SHORTEST_SUBJECT],
                known_or(or_else(binding.audience, DEFAULT_AUDIENCE), SHORTEST_AUDIENCE),
                least({**known_conditions(binding.trust.conditions)}),
                least(known_or(binding.trust.statements, [])),
                [known_or(each, SHORTEST_CLUSTER) for each in clusters],
                has_session_tags(binding),
            ),
            identity.trusted,
        ),
        quota,
    )


# In place of what is not known, so that a length is a lower bound.
SHORTEST_PROVIDER, SHORTEST_SUBJECT, SHORTEST_AUDIENCE = "arn:aws:iam::111122223333:oidc-provider/a", "a:a", "a"
SHORTEST_CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/a"
