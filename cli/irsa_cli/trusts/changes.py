"""Who gains and who loses, between what a role says to the tokens of a cluster before and after. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.comparisons import Compared, Parsed, Taken, admits, audiences, compared, compared_with
from irsa.evaluation.cover import Within, cover, subjects_within
from irsa.evaluation.kinds import Kinds, Parts
from irsa.rules.subjects import subject_claim
from irsa_cli.trusts.claims import Claims

# The statements of a trust policy for the tokens of an OIDC provider, and what they say to each kind of audience; None
# for too many kinds.
Asked = tuple[Sequence[Compared], frozenset[Taken] | None]
# A pattern for service accounts, `namespace:name`; those of them that exist, without the one of that name; and who is
# within the pattern and yet an exception.
Change = tuple[str, Collection[str], Within]


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
    """Return what changes for the service accounts of a cluster."""
    sides = [[*before], [*after]]
    if any(taken is None for side in sides for _, taken in side):
        return Changes({}, undecided=False, too_many=True)
    patterns = compared_with(each for side in sides for statements, _ in side for each in statements)

    def held_by(found: Kinds) -> _Held:
        return _held(sides, dict(zip(patterns, found.matching, strict=False)), found.all)

    real = _held(sides, claims.matching(patterns), claims.everybody)
    covered = cover(patterns, lambda found: held_by(found).changes)
    if covered is None:
        alone: dict[str, list[Change]] = {
            name: [(each, (), Within()) for each in claims.subjects(those)] for name, those in real.changes.items()
        }
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
            reported[name].append((subject, [each for each in claims.subjects(within) if each != subject], but))
    return Changes(reported, bool(held.undecided), too_many=False)


def asked(parsed: Parsed, provider_arn: str, client_ids: Collection[str] | None) -> Asked:
    """Return what a trust policy says to the tokens of an OIDC provider, with any audience where that lists None."""
    statements = compared(parsed, provider_arn)
    return statements, audiences(statements, client_ids)


def held_by_one(side: Iterable[Asked], subject: str) -> bool | None:
    """Return whether a service account, `namespace:name`, has the right; None where that cannot be decided."""
    asked_of, claims = [*side], Claims({subject: subject})
    if any(taken is None for _, taken in asked_of):
        return None
    patterns = compared_with(each for statements, _ in asked_of for each in statements)
    held = _held([asked_of, ()], claims.matching(patterns), claims.everybody)
    return True if held.had else None if held.may_have_had else False


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


def _held(sides: Iterable[Iterable[Asked]], matching: Mapping[Parts, int], everybody: int) -> _Held:
    found = []
    for side in sides:
        certain = possible = 0
        for statements, taken in side:
            admitted = admits(statements, taken or (), matching, everybody)
            certain, possible = certain | admitted.certain, possible | admitted.possible
        found += [certain, possible]
    return _Held(*found)
