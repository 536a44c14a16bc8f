"""The trust policy of a role to create: its document, whom it admits, and how much of its quota it uses."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.admission import Admission, admission, but_those, opening_statements
from irsa.evaluation.document import parse as parsed_document
from irsa.read import Arguments, Value
from irsa.role.add_on_policies import service_account_of
from irsa.role.associations import has_session_tags, ways_of
from irsa.rules.leaves import list_of, strings_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import policy_size, trust_usage
from irsa.rules.quotas import TRUST_POLICY_SIZE, Usage
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import derive, least, stands
from irsa.ways import TrustParts, trust_document

SUBJECTS: Place = ("trust", "subjects")
STATEMENTS: Place = ("trust", "statements")


class Trust(NamedTuple):
    """The trust policy of the role to create, and whom it admits."""

    policy: Value[str]
    subjects: Value[list[str]] | Value[list[str] | None]
    denied_subjects: Value[list[str] | None]
    """Patterns within the subjects that the trust policy denies; None where each subject is exact."""
    admission: Value[Admission] | None
    """Whom the trust policy admits, where it has statements of the caller's."""
    warnings: Value[Sequence[str]]


def trust_of(arguments: Arguments, values: Mapping[str, Any]) -> Trust:
    """Return the trust policy that the arguments declare."""
    trust = values.get("trust", {})
    subjects: Any = _subjects(values)
    identity = ways_of(values)
    # With markers for what is not known.
    parts = TrustParts(
        oidc_provider_arns=values.get("oidc_provider_arns", []),
        subjects=subjects,
        audience=values.get("audience", DEFAULT_AUDIENCE),
        conditions=trust.get("conditions"),
        statements=trust.get("statements", ()),
        cluster_arns=[*values.get("cluster_arns", {}).values()] if identity.needs("cluster_arns") else [],
        session_tags=has_session_tags(values),
    )
    document = derive(lambda known: trust_document(known, identity.trusted), parts)
    # Without statements of the caller's, the trust policy admits its subjects and nobody else.
    judged = _admission(arguments, values, parts, document) if trust.get("statements") else None
    return Trust(
        policy=document,
        subjects=subjects if judged is None else derive(lambda known: known.subjects, judged),
        denied_subjects=None if judged is None else derive(lambda known: known.denied, judged),
        admission=judged,
        warnings=() if judged is None else _trust_warnings(arguments, trust["statements"], document, judged),
    )


def _admission(
    arguments: Arguments, values: Mapping[str, Any], parts: TrustParts, document: Value[str]
) -> Value[Admission]:
    """Return whom the final trust policy admits."""

    def compute(document: str, parts: TrustParts) -> Admission:
        nothing = Admission()
        # One that trusts nobody, or is too long for IAM and would take long, is a mistake already.
        if not document or policy_size(document) > _trust_quota(arguments, values):
            return nothing
        try:
            found = admission(document, parts.oidc_provider_arns, parts.subjects, parts.audience)
            for way in ways_of(values).trusted:
                more, refused = way.admits(document, parts)
                every = None if found.subjects is None else sorted({*found.subjects, *more})
                found = found._replace(refused=tuple(sorted({*found.refused, *refused})), subjects=every)
        except Mistake as mistake:
            arguments.found.append((STATEMENTS, mistake))
            return nothing
        return found

    return derive(compute, document, parts)


def _trust_warnings(
    arguments: Arguments, statements: Value[Sequence[Any]], document: Value[str], judged: Value[Admission]
) -> Value[Sequence[str]]:
    """Return in words whom the trust policy admits or refuses, against what the subjects say."""
    spelling = arguments.spelling

    def compute(statements: Sequence[Any], document: str, judged: Admission) -> Sequence[str]:
        its_own = len(parsed_document(document)[1]) - len(statements) if document else 0
        warnings = [
            f"{spelling((*STATEMENTS, index - its_own))}: {noun} may assume the role"
            f"{'' if certain else ', as far as irsa can tell'}"
            for index, noun, certain in judged.crowds
        ]
        for index, those in sorted(opening_statements(judged.admitted, its_own).items()):
            exceptions = but_those(those)
            # What was an output may be a secret.
            but = f"{', but not some' if arguments.known else exceptions}," if exceptions else ""
            certain = any(each.certain for each in those)
            warnings.append(
                f"{spelling((*STATEMENTS, index - its_own))}: every service account of the cluster{but} "
                f"may assume the role{'' if certain else ', or some: irsa cannot decide it'}"
            )
        if judged.refused:
            which = f"{len(judged.refused)} of them" if arguments.known else ", ".join(judged.refused)
            warnings.append(f"{spelling(SUBJECTS)}: the trust policy refuses {which}: see the Deny statements")
        return warnings

    return derive(compute, statements, document, judged)


def _subjects(values: Mapping[str, Any]) -> Value[list[str]]:
    """Return the sorted `namespace:name` patterns that the role trusts, those of its service account included."""
    further = values.get("trust", {}).get("subjects", [])
    service_account = service_account_of(values)
    own = service_account and [service_account.get("namespace", DEFAULT_NAMESPACE), service_account["name"]]
    return derive(lambda further, own: sorted({*further, *([subject_of(*own)] if own else [])}), further, own)


def quota_of(arguments: Arguments, values: Mapping[str, Any], argument: str, usual: int) -> int:
    """Return the quota of an AWS account; one that is not known refuses nothing."""
    otherwise = sys.maxsize if stands(("quotas", argument), arguments.given) else usual
    quota: int = values.get("quotas", {}).get(argument, otherwise)
    return quota


def _trust_quota(arguments: Arguments, values: Mapping[str, Any]) -> int:
    return quota_of(arguments, values, "trust_policy_size", TRUST_POLICY_SIZE)


def trust_usage_of(arguments: Arguments, values: Mapping[str, Any], trust: Trust) -> Usage:
    """Return how much the trust policy uses of its quota, at least: without what is not known of it."""
    quota = _trust_quota(arguments, values)
    if isinstance(trust.policy, str):
        return trust_usage(trust.policy, quota)
    given = arguments.given
    namespace = given.get(("service_account", "namespace"), DEFAULT_NAMESPACE)
    names = strings_of([given.get(("service_account", "name"))]) if isinstance(namespace, str) else []
    identity = ways_of(values)
    keys = values.get("cluster_arns", ()) if identity.needs("cluster_arns") else ()
    clusters = [given.get(("cluster_arns", key)) for key in keys]
    has_providers = identity.needs("oidc_provider_arns") or not clusters
    providers = strings_of(given.get(("oidc_provider_arns",))) or [SHORTEST_PROVIDER] if has_providers else []
    audience, conditions = given.get(("audience",), DEFAULT_AUDIENCE), given.get(("trust", "conditions"))
    conditions = conditions if isinstance(conditions, Mapping) else {}
    return trust_usage(
        trust_document(
            TrustParts(
                providers,
                [*strings_of(given.get(SUBJECTS)), *(subject_of(namespace, each) for each in names)]
                or [SHORTEST_SUBJECT],
                audience if isinstance(audience, str) else SHORTEST_AUDIENCE,
                {name: least(keys) for name, keys in conditions.items() if isinstance(keys, Mapping)},
                least(list_of(given.get(STATEMENTS))),
                [each if isinstance(each, str) else SHORTEST_CLUSTER for each in clusters],
                has_session_tags(values),
            ),
            identity.trusted,
        ),
        quota,
    )


# In place of what is not known, so that a length is a lower bound.
SHORTEST_PROVIDER, SHORTEST_SUBJECT, SHORTEST_AUDIENCE = "arn:aws:iam::111122223333:oidc-provider/a", "a:a", "a"
SHORTEST_CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/a"
