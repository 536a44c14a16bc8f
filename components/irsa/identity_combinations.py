"""Which arguments of a binding go with which way to the role: IRSA, EKS Pod Identity, or both.

Sources: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html (its limits),
https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irsa.add_ons.combinations import add_ons_of, usual_subject
from irsa.rules.identity import ONLY_IRSA, Identity, Use, parse_identity
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, listed, nearest, shortened
from irsa.rules.subjects import is_pattern
from irsa.rules.trust import check_pod_identity_conditions, known_conditions
from irsa.rules.unknown import sampled, stands

# What is of a way alone, and has no effect without it.
OF_IRSA: Sequence[Place] = (
    ("oidc_provider_arns",),
    ("audience",),
    ("trust", "any_service_account"),
    ("service_account", "sts_regional_endpoints"),
    ("service_account", "token_expiration"),
)
OF_POD_IDENTITY: Sequence[Place] = (("cluster_arns",), ("pod_identity",))


def identity_of(given: Mapping[Place, Any]) -> Identity | None:
    """Return how Pods get the role; None where that is wrong or not known."""
    if ("identity",) not in given:
        return ONLY_IRSA
    with contextlib.suppress(Mistake):
        return parse_identity(given["identity",])
    return None


def identity_mistakes(given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    """Yield what the ways to the role exclude and need, each with the argument to look at.

    Args:
        given: The arguments that are there, with their values, of whatever shape these are.
        spelling: How the caller spells an argument.
    """
    identity = identity_of(given)
    if identity is None:
        return
    yield from _without_its_way(identity, given, spelling)
    if ("service_account",) in given and Use.USED not in identity:
        found = "a service account whose Pods would get no role"
        yield ("identity",), Mistake(found, "a way that is used", "write used for one of them")
    if identity.pod_identity is not Use.ABSENT:
        yield from _of_pod_identity(identity, given, spelling)
        yield from _of_the_settings(identity, given, spelling)


def _without_its_way(identity: Identity, given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    place = spelling(("identity",))
    ways = (
        ("IRSA", identity.irsa, OF_IRSA, "both"),
        ("Pod Identity", identity.pod_identity, OF_POD_IDENTITY, "both or podIdentity"),
    )
    for way, use, arguments, words in ways:
        for argument in arguments if use is Use.ABSENT else ():
            if argument in given:
                found, fix = f"{spelling(argument)} without {way}", f"remove it, or set {place} to {words}"
                yield argument, Mistake(found, f"what {place} uses", fix)


def _of_pod_identity(identity: Identity, given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    place: Place = ("identity",)
    irsa = identity.irsa is not Use.ABSENT
    if not given.get(("cluster_arns",)) and (identity.pod_identity is Use.USED or ("role", "arn") not in given):
        found, fix = f"Pod Identity without {spelling(('cluster_arns',))}", f"add {spelling(('cluster_arns',))}"
        yield place, Mistake(found, "the clusters whose Pods get the role", fix)
    yield from _same_clusters(given)
    subjects_at: Place = ("trust", "subjects")
    by_name = ("service_account",) in given or (
        not stands(subjects_at, given) and usual_subject([*add_ons_of(given).values()])
    )
    if identity.pod_identity is Use.USED and not by_name:
        found = f"Pod Identity without {spelling(('service_account',))}"
        fix = f"add {spelling(('service_account',))}, or write {{podIdentity: trusted}}"
        yield place, Mistake(found, "a service account, of which an association is made", fix)
    subjects = [each for each in list_of(given.get(subjects_at)) if isinstance(each, str)]
    for index, subject in enumerate(subjects):
        if not irsa and is_pattern(subject):
            found = f"{subject!r}, with wildcards, which EKS Pod Identity does not have"
            fix = f"name each service account, or set {spelling(place)} to both"
            yield (*subjects_at, index), Mistake(found, "a namespace and a name", fix)
    if irsa and ("service_account",) not in given and subjects and all(map(is_pattern, subjects)):
        found = "subjects with wildcards only, which EKS Pod Identity does not have"
        yield place, Mistake(found, "a service account by its name", "add it, or remove Pod Identity")


def _same_clusters(given: Mapping[Place, Any]) -> Iterator[Located]:
    """Yield the keys of a cluster that has another one: EKS has one association for a service account and cluster."""
    first: dict[str, str] = {}
    for key in mapping_of(given.get(("cluster_arns",))):
        arn = given.get(("cluster_arns", key))
        if isinstance(arn, str) and not sampled(arn) and (other := first.setdefault(arn, key)) != key:
            found, allowed = f"the EKS cluster of {shortened(other)}, once more", "one key for each cluster"
            yield ("cluster_arns", key), Mistake(found, allowed, "remove one of them")


def _of_the_settings(identity: Identity, given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong with the settings of an association."""
    tags: Place = ("pod_identity", "session_tags")
    policy: Place = ("pod_identity", "policy")
    session_tags = given.get(tags, True)
    if policy in given and session_tags is True:
        # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
        found = f"a session policy together with {spelling(tags)}"
        yield policy, Mistake(found, f"a session policy with {spelling(tags)} false", f"set {spelling(tags)} to false")
    conditions = given.get(("trust", "conditions"))
    if isinstance(conditions, Mapping) and isinstance(session_tags, bool):
        try:
            check_pod_identity_conditions(known_conditions(conditions), session_tags, identity.irsa is not Use.ABSENT)
        except Mistake as mistake:
            yield ("trust", "conditions"), mistake
    clusters, ids = given.get(("cluster_arns",)), given.get(("pod_identity", "import_ids"))
    if isinstance(ids, Mapping) and isinstance(clusters, Mapping) and clusters:
        for key in map(str, ids.keys() - clusters.keys()):
            found, fix = f"{shortened(key)}, which is no key of a cluster", nearest(key, clusters, "remove it")
            yield ("pod_identity", "import_ids", key), Mistake(found, listed([*clusters]), fix)
