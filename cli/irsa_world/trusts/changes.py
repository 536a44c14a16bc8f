"""Who gains and who loses, between what a role says to the tokens of a cluster before and after. Pure.

For each pattern of either side, and what a Deny has of it, one service account that no other pattern matches stands for
those whom it matches. Of all others another pattern tells.
"""

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.admission import providers_of
from irsa.evaluation.answers import any_of
from irsa.evaluation.document import Parsed
from irsa.evaluation.grants import Admitted, Answer, Grants, admitted_by, is_within, narrowed, overlaps
from irsa.evaluation.patterns import matches, widest
from irsa.rules.subjects import is_pattern, subject_claim
from irsa_world.trusts.claims import Claims

# Of those that are intersections.
MOST_PATTERNS = 200
# Names that nobody has, for what a wildcard stands for.
STRANGERS, LETTERS = ("qzjxkvwyq", "mfhdwubgm", "xwvkqtzrx", "9k2q7x5z9"), "qzjxkvwymfhdubgt0123456789"


class Change(NamedTuple):
    """Service accounts of whom one thing is true.

    Attributes:
        subject: A pattern for them, `namespace:name`.
        existing: Those of them that exist, without the one of that name.
        but: Patterns of those within it who are an exception.
        at_most: Whether there may be other exceptions.
    """

    subject: str
    existing: Collection[str] = ()
    but: Sequence[str] = ()
    at_most: bool = False


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


# What changes for one, by whether it has the right before and after.
_NAMES = {
    (False, True): "gains",
    (None, True): "may_gain",
    (False, None): "may_gain",
    (True, False): "loses",
    (True, None): "may_lose",
    (None, False): "may_lose",
    (None, None): "undecided",
}


def changes(before: Iterable[Grants], after: Iterable[Grants], claims: Claims[Any]) -> Changes:
    """Return what changes for the service accounts of a cluster.

    Args:
        before: What is said to their tokens before.
        after: What is said to them afterwards.
        claims: Those that exist.
    """
    sides = [[*before], [*after]]
    patterns, too_many = _patterns([of for side in sides for of in side])

    @functools.cache
    def name_of(subject: str) -> str:
        had, has = (held_by_one(side, subject) for side in sides)
        return _NAMES.get((had, has), "")

    existing: dict[str, int] = {}
    # Those whom the same patterns match are told alike, also where the patterns combine in too many ways.
    apart = {*patterns, *(subject for side in sides for of in side for subject in of.narrowing)}
    for first, group in claims.kinds(apart).items():
        existing[name_of(first)] = existing.get(name_of(first), 0) | group
    told: dict[str, list[str]] = {}
    for subject in sorted(patterns, key=lambda each: (not is_pattern(each), len(each), each)):
        stranger = _stranger(subject, patterns)
        too_many |= stranger is None
        told.setdefault(name_of(stranger) if stranger else "", []).append(subject)
    by_name: dict[str, list[Change]] = {}
    for name in ("gains", "loses", "may_gain", "may_lose"):
        found: list[Change] = []
        for subject in told.get(name, ()):
            if not any(is_within(subject, [each.subject]) and not overlaps(subject, each.but) for each in found):
                found.append(_change(name, subject, sides))
        by_name[name] = _with_existing(sorted(found), claims, existing.get(name, 0))
    return Changes(by_name, "undecided" in told or "undecided" in existing, too_many)


def held_by_one(side: Iterable[Grants], subject: str) -> bool | None:
    """Return whether a service account, `namespace:name`, has the right; None where that cannot be decided."""
    return any_of([of.answer(subject).given for of in side])


def holders(parsed: Parsed) -> Iterator[Admitted]:
    """Yield who may assume a role by tokens, for certain or not, whatever the OIDC providers list."""
    for arn in dict.fromkeys(providers_of(parsed[1])):
        yield from admitted_by(parsed, arn, None)


def _patterns(several: Sequence[Grants]) -> tuple[Collection[str], bool]:
    """Return the patterns of which each may change for itself, and whether there are too many to look at."""
    named = dict.fromkeys(subject for of in several for subject in of.named)
    narrowing = {subject for of in several for subject in of.narrowing}
    found, waiting = {*named}, [*named]
    # The list grows while it is read.
    for one in waiting:
        within = [each for each in narrowing if overlaps(one, [each]) and not is_within(one, [each])]
        parts = {narrowed(one, each) for each in within}
        if not all(is_within(each, [one]) for each in parts):
            return named, True
        new = parts - found
        found |= new
        waiting += sorted(new)
        if len(found) - len(named) > MOST_PATTERNS:
            return named, True
    return found, False


def _stranger(subject: str, patterns: Iterable[str]) -> str | None:
    """Return a service account that a pattern matches, and no other one that does not match all whom it matches."""
    if not is_pattern(subject):
        return subject
    others = [each for each in patterns if overlaps(subject, [each]) and not is_within(subject, [each])]
    for name, letter in itertools.product(STRANGERS, LETTERS):
        found = subject.replace("*", name).replace("?", letter)
        if not any(matches(found, each) for each in others):
            return found
    return None


def _change(name: str, subject: str, sides: Sequence[Sequence[Grants]]) -> Change:
    """Return a change of all whom a pattern matches, but for some."""
    if not is_pattern(subject):
        return Change(subject)
    gains = name in ("gains", "may_gain")
    # Who had the right before and has it is no exception to who gains it; who keeps it is one to who loses it.
    answers = [of.answer(subject) for of in sides[gains]]
    but = {each for answer in answers for each in answer.denied}
    at_most = name in ("gains", "loses") and not any(answer.given for answer in answers)
    if not gains:
        afterwards = [(each, of.answer(each)) for of in sides[1] for each in of.named if overlaps(subject, [each])]
        keeping = {each for each, answer in afterwards if answer == Answer(given=True) and is_within(each, [subject])}
        at_most |= any(each not in keeping for each, answer in afterwards if answer.given is not False)
        but |= keeping
    return Change(subject, (), tuple(widest(but)), at_most)


def _with_existing(found: Iterable[Change], claims: Claims[Any], left: int) -> list[Change]:
    """Return changes with those whom each is about that exist; one by one where none is about them."""
    changes_: list[Change] = []
    for each in found:
        within = left & claims.like(subject_claim(each.subject))
        left &= ~within
        changes_.append(each._replace(existing=[one for one in claims.subjects(within) if one != each.subject]))
    return [*changes_, *map(Change, claims.subjects(left))]
