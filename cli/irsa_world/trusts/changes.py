"""Who gains and who loses, between what a role says to the tokens of a cluster before and after. Pure."""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from irsa.evaluation import representatives
from irsa.evaluation.admission import admitted_by, providers_of
from irsa.evaluation.cover import Within, cover, subjects_within
from irsa.evaluation.document import Parsed
from irsa.evaluation.kinds import Kinds, union
from irsa.evaluation.representatives import admits, audiences
from irsa.evaluation.same_sessions import difference
from irsa.rules.subjects import subject_claim
from irsa_world.trusts.claims import Claims

# A trust policy, for the tokens of an OIDC provider, and the audiences to ask about; None for too many kinds.
Asked = tuple[representatives.Asked, Collection[str] | None]


class Change(NamedTuple):
    """Service accounts of whom one thing is true.

    Attributes:
        subject: A pattern for them, `namespace:name`.
        existing: Those of them that exist, without the one of that name.
        but: Who is within the pattern and yet an exception.
    """

    subject: str
    existing: Collection[str] = ()
    but: Within = Within()


class Changes(NamedTuple):
    """What changes for the service accounts of one cluster: those that exist, and all others.

    Attributes:
        by_name: Who `gains` and `loses` the right, and who may: `may_gain`, `may_lose`.
        undecided: Whether for some it can be told neither before nor after.
        too_many: Whether others may gain or lose it, since the patterns combine in too many ways.
    """

    by_name: Mapping[str, list[Change]]
    undecided: bool
    too_many: bool


def changes(before: Iterable[Asked], after: Iterable[Asked], claims: Claims[Any]) -> Changes:
    """Return what changes for the service accounts of a cluster.

    Args:
        before: What is said to their tokens before.
        after: What is said to them afterwards.
        claims: Those that exist.
    """
    sides = [[*before], [*after]]
    too_many = any(taken is None for side in sides for _, taken in side)
    sides = [[], []] if too_many else sides
    said = [one for side in sides for of, _ in side for one in of.patterns("sub")]
    patterns = tuple(dict.fromkeys(said))

    @functools.cache
    def held_by(found: Kinds) -> _Held:
        return _held(sides, found.claims)

    real = _held(sides, claims.kinds(patterns))
    covered = cover(patterns, lambda found: held_by(found).changes)
    if covered is None:
        alone = {name: [*map(Change, claims.subjects(those))] for name, those in real.changes.items()}
        return Changes(alone, bool(real.undecided), too_many=True)
    found, by_name = covered
    held = held_by(found)
    reported: dict[str, list[Change]] = {}
    for name, subjects in by_name.items():
        # Who had the right before, and has it, is no exception to who gains it; who keeps it is one to who loses it.
        lost = held.may_have_had & ~held.has
        nobody = found.all & ~(held.may_have if name in {"gains", "may_gain"} else lost)
        reported[name], left = [], real.changes[name]
        exceptions = subjects_within(patterns, found, nobody, [subjects[each] for each in sorted(subjects)])
        for subject, but in zip(sorted(subjects), exceptions, strict=True):
            within = left & claims.like(subject_claim(subject))
            left &= ~within
            existing = [each for each in claims.subjects(within) if each != subject]
            reported[name].append(Change(subject, existing, but))
    return Changes(reported, bool(held.undecided), too_many)


def asked(parsed: Parsed, provider_arn: str, client_ids: Collection[str] | None) -> Asked:
    """Return what a trust policy says to the tokens of an OIDC provider, with any audience where that lists None."""
    of = representatives.asked(parsed, provider_arn)
    return of, audiences(of, client_ids)


def held_by_one(side: Iterable[Asked], subject: str) -> bool | None:
    """Return whether a service account, `namespace:name`, has the right; None where that cannot be decided."""
    asked_of = [*side]
    if any(taken is None for _, taken in asked_of):
        return None
    held = _held([asked_of, ()], {subject_claim(subject): 1})
    return True if held.had else None if held.may_have_had else False


def are_alike(
    before: Mapping[str, Any], after: Mapping[str, Any], audiences: Mapping[str, Collection[str] | None]
) -> bool:
    """Return whether two trust policies treat no token of these providers differently, whatever nobody knows."""
    return not difference(before, after, audiences)


class Holder(NamedTuple):
    """Who may assume a role by tokens: a pattern, `namespace:name`, and whom in it not."""

    certain: bool
    provider_arn: str
    subject: str
    denied: tuple[str, ...]
    denied_are_all: bool


def holders(parsed: Parsed) -> Iterator[Holder]:
    """Yield who may assume a role by tokens, for certain or not, whatever the OIDC providers list."""
    for arn in dict.fromkeys(providers_of(parsed[1])):
        for each in admitted_by(parsed, arn, None)[0]:
            yield Holder(each.certain, arn, each.subject, each.denied, each.exact or each.denied_are_all)


class _Held(NamedTuple):
    """Who has the right before and after, and who may have it: sets of service accounts, or of kinds of them."""

    had: int
    may_have_had: int
    has: int
    may_have: int

    @property
    def changes(self) -> dict[str, int]:
        """Who gains and who loses the right, and who may."""
        had, may_have_had, has, may_have = self
        return {
            "gains": has & ~may_have_had,
            "loses": had & ~may_have,
            "may_gain": (has & may_have_had & ~had) | (may_have & ~has & ~may_have_had),
            "may_lose": (had & may_have & ~has) | (may_have_had & ~had & ~may_have),
        }

    @property
    def undecided(self) -> int:
        """Of whom it can be told neither before nor after."""
        return self.may_have_had & ~self.had & self.may_have & ~self.has


def _held(sides: Iterable[Iterable[Asked]], subjects: Mapping[str, int]) -> _Held:
    found = []
    for side in sides:
        admitted = [admits(of, subjects, taken or ()) for of, taken in side]
        found.append(union(each.certain for each in admitted))
        found.append(union(each.possible for each in admitted))
    return _Held(*found)
