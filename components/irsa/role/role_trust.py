"""The trust policy of a role to create: its document, whom it admits, and how much of its quota it uses."""

import sys
from typing import NamedTuple

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
from irsa.rules.unknown import Unknown, Value, derive, known_or, least, or_else
from irsa.ways import TrustParts, trust_document

SUBJECTS: Place = ("trust", "subjects")
STATEMENTS: Place = ("trust", "statements")


class RoleTrust(NamedTuple):
    """The trust policy of the role to create, and whom it admits."""

    policy: Value[str]
    subjects: Value[list[str]] | Value[list[str] | None]
    denied_subjects: Value[list[str] | None]
    """Patterns within the subjects that the trust policy denies; None where each subject is exact."""
    admission: Value[Admission] | None
    """Whom the trust policy admits, where it has statements of the caller's."""
    usage: Usage
    """How much it uses of its quota, at least."""


def trust_of(arguments: Arguments, binding: ServiceAccountRoleKeys) -> RoleTrust:
    """Return the trust policy that the arguments declare."""
    trust, subjects, ways = binding.trust, _subjects(binding), ways_of(binding).trusted
    of_parts = (
        or_else(binding.oidc_provider_arns, []),
        subjects,
        or_else(binding.audience, DEFAULT_AUDIENCE),
        trust.conditions,
        or_else(trust.statements, []),
        _clusters(binding),
        has_session_tags(binding),
    )
    document = derive(lambda *known: trust_document(TrustParts(*known), ways), *of_parts)
    sorted_subjects = derive(lambda known: sorted({*known}), subjects)
    # Without statements of the caller's, the trust policy admits its subjects and nobody else.
    judged = _admission(arguments, binding, derive(TrustParts, *of_parts), document) if trust.statements else None
    # What is not known is not counted.
    shortest = document if isinstance(document, str) else trust_document(_shortest(binding, subjects), ways)
    return RoleTrust(
        policy=document,
        subjects=sorted_subjects if judged is None else derive(lambda known: known.subjects, judged),
        denied_subjects=None if judged is None else derive(lambda known: known.denied, judged),
        admission=judged,
        usage=trust_usage(shortest, _trust_quota(binding)),
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


def _subjects(binding: ServiceAccountRoleKeys) -> Value[list[Value[str]]]:
    """Return the `namespace:name` patterns that the role trusts, that of its service account included."""
    account, further = service_account_of(binding), or_else(binding.trust.subjects, [])
    if account is None or isinstance(further, Unknown):
        return further
    return [*further, derive(subject_of, or_else(account.namespace, DEFAULT_NAMESPACE), account.name)]


def _clusters(binding: ServiceAccountRoleKeys) -> Value[list[Value[str]]]:
    clusters = or_else(binding.cluster_arns, {}) if ways_of(binding).needs("cluster_arns") else {}
    return clusters if isinstance(clusters, Unknown) else [*clusters.values()]


def quota_of(quota: Value[int] | None, usual: int) -> int:
    """Return the quota of an AWS account; one that is not known refuses nothing."""
    return sys.maxsize if isinstance(quota, Unknown) else usual if quota is None else quota


def _trust_quota(binding: ServiceAccountRoleKeys) -> int:
    return quota_of(binding.quotas.trust_policy_size if binding.quotas else None, TRUST_POLICY_SIZE)


def _shortest(binding: ServiceAccountRoleKeys, subjects: Value[list[Value[str]]]) -> TrustParts:
    """Return the parts of the shortest trust policy that it can become: so a length is a lower bound."""
    clusters = known_or(_clusters(binding), [])
    has_providers = ways_of(binding).needs("oidc_provider_arns") or not clusters
    providers = strings_of(known_or(binding.oidc_provider_arns, [])) or [SHORTEST_PROVIDER]
    return TrustParts(
        providers if has_providers else [],
        strings_of(subjects) or [SHORTEST_SUBJECT],
        known_or(or_else(binding.audience, DEFAULT_AUDIENCE), SHORTEST_AUDIENCE),
        least({**known_conditions(binding.trust.conditions)}),
        least(known_or(binding.trust.statements, [])),
        [known_or(each, SHORTEST_CLUSTER) for each in clusters],
        has_session_tags(binding),
    )


SHORTEST_PROVIDER, SHORTEST_SUBJECT, SHORTEST_AUDIENCE = "arn:aws:iam::111122223333:oidc-provider/a", "a:a", "a"
SHORTEST_CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/a"
