"""EKS Pod Identity: an association of a service account, for which EKS assumes the role.

The trust policy has one statement per service account, narrowed by the session tags of
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html: lists under two keys would admit every combination.
Without session tags those keys are absent, and only the cluster can be named:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html

Sources of what it excludes: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html (its limits),
https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from irsa.evaluation.answers import Decision, PodIdentityRequest
from irsa.evaluation.decision import evaluate
from irsa.rules import trust
from irsa.rules.arns import parse_cluster_arn
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, listed, named, nearest, shortened
from irsa.rules.subjects import is_pattern, subject_of
from irsa.rules.trust import CLUSTER_TAG, NAMESPACE_TAG, SERVICE_ACCOUNT_TAG, SOURCE_ACCOUNT, SOURCE_ARN
from irsa.rules.unknown import Value, known_or
from irsa.ways.irsa import IRSA
from irsa.ways.way import IDENTITY, Identity, TrustParts, Way, WayFacts

CLUSTERS: Place = ("cluster_arns",)
SUBJECTS: Place = ("trust", "subjects")
STATEMENTS: Place = ("trust", "statements")
CONDITIONS: Place = ("trust", "conditions")
TAGS: Place = ("pod_identity", "session_tags")
POLICY: Place = ("pod_identity", "policy")
# EKS is a service: it has neither tags nor the provider of a token, and gives an external ID to a target role only.
_NEVER_KEYS = re.compile("aws:principaltag/.*|aws:federatedprovider|sts:externalid", re.DOTALL)
# The conditions that irsa writes into its statements.
_WRITTEN_KEYS = {key.lower() for key in (CLUSTER_TAG, NAMESPACE_TAG, SERVICE_ACCOUNT_TAG, SOURCE_ACCOUNT, SOURCE_ARN)}
# "EKS Pod Identity uses AssumeRole to assume the IAM role before passing the temporary credentials to your pods":
_ROLE_PAGE = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"


def _statements(parts: TrustParts) -> Iterator[dict[str, object]]:
    clusters, conditions = sorted(set(parts.cluster_arns)), parts.conditions or {}
    if clusters and not parts.session_tags:
        accounts = sorted({parse_cluster_arn(arn).account_id for arn in clusters})
        source = {"StringEquals": {SOURCE_ACCOUNT: _one_or(accounts)}, "ArnEquals": {SOURCE_ARN: _one_or(clusters)}}
        yield _statement(conditions, **source)
    elif clusters:
        for namespace, name in _exact(parts):
            tags = {CLUSTER_TAG: _one_or(clusters), NAMESPACE_TAG: namespace, SERVICE_ACCOUNT_TAG: name}
            yield _statement(conditions, StringEquals=tags)


def _exact(parts: TrustParts) -> Iterator[list[str]]:
    """Yield namespace and name of each service account that is named: no association is of a pattern."""
    yield from (subject.split(":") for subject in sorted(set(parts.subjects)) if not is_pattern(subject))


def _statement(conditions: trust.Conditions, **written: Mapping[str, object]) -> dict[str, object]:
    condition = {name: {**conditions.get(name, {}), **written.get(name, {})} for name in {*conditions, *written}}
    principal, actions = {"Service": trust.POD_IDENTITY_PRINCIPAL}, [*trust.assume_role_actions(session_tags=True)]
    return {"Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition}


def _one_or(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else [*values]


def _admits(document: str, parts: TrustParts) -> tuple[set[str], set[str]]:
    asked, denied = set[str](), set[str]()
    for (namespace, name), arn in itertools.product(_exact(parts), parts.cluster_arns):
        request, subject = PodIdentityRequest(namespace, name, arn, parts.session_tags), subject_of(namespace, name)
        asked.add(subject)
        if evaluate(document, request).decision is Decision.DENIED:
            denied.add(subject)
    return asked - denied, denied


def _mistakes(identity: Identity, facts: WayFacts, spelling: Spelling) -> Iterator[Located]:
    irsa, used = IRSA in identity.trusted, POD_IDENTITY in identity.used
    clusters = known_or(facts.clusters, {})
    if not facts.clusters and (used or facts.creates_role):
        found, fix = f"Pod Identity without {spelling(CLUSTERS)}", f"add {spelling(CLUSTERS)}"
        yield IDENTITY, Mistake(found, "the clusters whose Pods get the role", fix)
    yield from _same_clusters(clusters)
    if used and not (facts.has_service_account or facts.has_usual):
        found = f"Pod Identity without {spelling(('service_account',))}"
        fix = f"add {spelling(('service_account',))}, or write {{podIdentity: trusted}}"
        yield IDENTITY, Mistake(found, "a service account, for which EKS has an association", fix)
    subjects = {index: each for index, each in enumerate(facts.subjects) if isinstance(each, str)}
    for index, subject in subjects.items():
        if not irsa and is_pattern(subject):
            found = f"{subject!r} has wildcards, which EKS Pod Identity does not support"
            fix = f"name each service account, or set {spelling(IDENTITY)} to both"
            yield (*SUBJECTS, index), Mistake(found, "a namespace and a name", fix)
    if irsa and not facts.has_service_account and subjects and all(map(is_pattern, subjects.values())):
        found = "only subjects with wildcards, which EKS Pod Identity does not support"
        yield IDENTITY, Mistake(found, "a service account by its name", "add it, or remove Pod Identity")
    yield from _of_the_settings(irsa, facts, clusters, spelling)


def _same_clusters(clusters: Mapping[str, Value[str]]) -> Iterator[Located]:
    """Yield the keys of a cluster that has another one: EKS has one association for a service account and cluster."""
    first: dict[str, str] = {}
    for key, arn in clusters.items():
        if isinstance(arn, str) and (other := first.setdefault(arn, key)) != key:
            found, allowed = f"the same EKS cluster as {shortened(other)}", "one key for each cluster"
            yield (*CLUSTERS, key), Mistake(found, allowed, "remove one of them")


def _of_the_settings(
    irsa: bool, facts: WayFacts, clusters: Mapping[str, Value[str]], spelling: Spelling
) -> Iterator[Located]:
    """Yield what is wrong with the settings of an association."""
    if facts.has_session_policy and facts.session_tags is True:
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
        found = f"a session policy together with {spelling(TAGS)}"
        yield POLICY, Mistake(found, f"a session policy with {spelling(TAGS)} false", f"set {spelling(TAGS)} to false")
    if isinstance(facts.session_tags, bool):
        try:
            check_conditions(facts.conditions, facts.session_tags, irsa)
        except Mistake as mistake:
            yield CONDITIONS, mistake
    for key in (str(key) for key in facts.import_ids if clusters and key not in clusters):
        found, fix = f"{shortened(key)}, which is not the key of a cluster", nearest(key, clusters, "remove it")
        yield ("pod_identity", "import_ids", key), Mistake(found, listed([*clusters]), fix)


def check_conditions(conditions: trust.Conditions, session_tags: bool, irsa: bool) -> None:
    """Refuse further conditions that a statement for Pod Identity, or one for IRSA beside it, could never meet.

    Raises:
        Mistake: There is such a condition, or one that irsa writes itself.
    """
    for operator, keys in conditions.items():
        for key in keys:
            found = f"the condition {named(operator)} on {key!r}"
            lower = key.lower()
            of_tags = lower.startswith(trust.REQUEST_TAG.lower()) or lower == "aws:tagkeys"
            if lower in _WRITTEN_KEYS:
                raise Mistake(f"{found}, which irsa writes itself", "conditions on other keys", "remove it")
            if of_tags and not session_tags:
                text = f"{found}, which no request has while session tags are off"
                raise Mistake(text, "conditions on other keys", "remove it, or set {} to true", TAGS)
            if of_tags and irsa:
                text = f"{found}, which no request of IRSA has"
                raise Mistake(
                    text,
                    "conditions that both IRSA and Pod Identity can meet",
                    "write a statement in {}",
                    STATEMENTS,
                )
            if lower.startswith(trust.REQUEST_TAG.lower()) and lower.partition("/")[2] not in trust.SESSION_TAGS:
                text = f"{found}, which is not a session tag of EKS Pod Identity"
                raise Mistake(text, listed(trust.SESSION_TAGS), "name one of them, or remove it")
            text = ""
            if _NEVER_KEYS.fullmatch(lower):
                text = f"{found}, which no request of EKS Pod Identity has"
            elif not lower.startswith(("aws:", "sts:")):
                text = f"{found}, a claim of a token, which no request of Pod Identity has"
            if text:
                allowed = "conditions that Pod Identity can meet"
                fix = "remove it, and write a statement for IRSA in {}"
                raise Mistake(text, allowed, fix, STATEMENTS) if irsa else Mistake(text, allowed, "remove it")


def _warnings(identity: Identity, facts: WayFacts) -> Iterator[Located]:
    if IRSA in identity.trusted and facts.has_session_policy:
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
        found = "a session policy does not limit sessions of IRSA: they have all permissions of the role"
        fix = "narrow the policies of the role or, during a migration, silence the rule with a reason"
        yield POLICY, Mistake(found, "a session policy where EKS Pod Identity is the only way", fix)
    # The trust policy of an existing role stays as it is.
    if not facts.creates_role:
        return
    if facts.session_tags is False:
        found = "without session tags, the trust policy names only the cluster: any association in it may use this role"
        fix = "leave session tags on, unless a session policy needs them off; or silence the rule with a reason"
        yield TAGS, Mistake(f"{found} ({_ROLE_PAGE})", "a trust policy that names the service account", fix)
    for operator, keys in facts.conditions.items():
        for key in keys:
            if key.lower() in trust.NETWORK_KEYS:
                found = f"the condition {named(operator)} on {named(key)} is about the network of EKS, which assumes"
                found = f"{found} the role, and not about that of the Pods ({_ROLE_PAGE})"
                allowed = "conditions that EKS Pod Identity can meet"
                fix = "write it in a policy of the role, whose requests the Pods send, or in a statement for IRSA"
                yield CONDITIONS, Mistake(found, allowed, fix)
    if patterns := [each for each in strings_of([*facts.subjects]) if is_pattern(each)]:
        found = f"{shortened(', '.join(patterns))} can get the role only by IRSA: EKS Pod Identity has no wildcards"
        fix = "name each service account that needs an association, or silence the rule with a reason"
        yield SUBJECTS, Mistake(found, "subjects without wildcards", fix)


POD_IDENTITY = Way(
    key="podIdentity",
    name="Pod Identity",
    statements=_statements,
    needs="cluster_arns",
    arguments=(CLUSTERS, ("pod_identity",)),
    instead="both or podIdentity",
    has_tags=True,
    credentials="the credentials of EKS Pod Identity",
    ends=("which EKS would not renew", "which EKS would not renew"),
    mistakes=_mistakes,
    admits=_admits,
    warnings=_warnings,
)
