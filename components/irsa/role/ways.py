"""The ways in which Pods get a role, as its arguments declare them, and what these exclude and need."""

from collections.abc import Iterator

from irsa.keys.binding import PodIdentity, ServiceAccountRoleKeys
from irsa.role.add_ons import service_account_of
from irsa.rules.mistakes import Located, Mistake, Spelling
from irsa.rules.trust import known_conditions
from irsa.rules.unknown import PERHAPS, Unknown, is_there, known_or, may_be_there, or_else
from irsa.ways import IDENTITY, ONLY_IRSA, WAYS, Identity, WayFacts

NO_SETTINGS = PodIdentity.of({})


def ways_of(binding: ServiceAccountRoleKeys) -> Identity:
    """Return how Pods get the role; where that is wrong or not known, as by default."""
    return known_or(binding.identity, ONLY_IRSA)


def has_session_tags(binding: ServiceAccountRoleKeys) -> bool:
    """Return whether the sessions of Pod Identity have tags."""
    return binding.pod_identity is None or binding.pod_identity.session_tags is not False


def facts_of(binding: ServiceAccountRoleKeys) -> WayFacts:
    """Return what a way may ask of the arguments."""
    settings, trust = binding.pod_identity or NO_SETTINGS, binding.trust
    return WayFacts(
        clusters=or_else(binding.cluster_arns, {}),
        subjects=known_or(trust.subjects, []),
        conditions=known_conditions(trust.conditions),
        session_tags=True if settings.session_tags in (None, PERHAPS) else settings.session_tags,
        has_session_policy=settings.policy is not None,
        import_ids=known_or(settings.import_ids, {}),
        creates_role=not is_there(binding.role.arn),
        has_service_account=binding.service_account is not None,
        has_usual=not may_be_there(trust.subjects) and service_account_of(binding) is not None,
    )


def identity_mistakes(binding: ServiceAccountRoleKeys, facts: WayFacts, spelling: Spelling) -> Iterator[Located]:
    """Yield what the ways to the role exclude and need, each with the argument to look at."""
    if isinstance(binding.identity, Unknown):
        return
    ways, place = ways_of(binding), spelling(IDENTITY)
    for way in WAYS:
        for argument in way.arguments if way not in ways.trusted else ():
            if binding.has(argument):
                found, fix = f"{spelling(argument)} without {way}", f"remove it, or set {place} to {way.instead}"
                yield argument, Mistake(found, f"what {place} uses", fix)
    if binding.service_account is not None and not ways.used:
        found = "a service account whose Pods would get no role"
        yield IDENTITY, Mistake(found, "a way that is used", "write used for one of them")
    for way in ways.trusted:
        yield from way.mistakes(ways, facts, spelling)
