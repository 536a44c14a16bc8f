"""Who gains and who loses, between what a role says to the tokens of a cluster before and after. Pure.

For each pattern of either side, and what a Deny has of it, one service account that no other pattern matches stands for
those whom it matches. Of all others another pattern tells.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from irsa.evaluation.answers import any_of
from irsa.evaluation.grants import Answer, Grants, is_within, narrowed, overlaps
from irsa.evaluation.patterns import matches, widest
from irsa.rules.subjects import is_pattern

# Of those that are intersections.
MOST_PATTERNS = 200
# Names that nobody has, for what a wildcard stands for.
STRANGERS, LETTERS = ("qzjxkvwyq", "mfhdwubgm", "xwvkqtzrx", "9k2q7x5z9"), "qzjxkvwymfhdubgt0123456789"


class Change(NamedTuple):
    """Service accounts of whom one thing is true.

    Attributes:
        subject: A pattern for them, `namespace:name`.
        but: Patterns of those within it who are an exception.
    """

    subject: str
    but: Sequence[str] = ()


class Changes(NamedTuple):
    """What changes for the service accounts of one cluster.

    Attributes:
        by_name: Who `gains` and `loses` the right, and who may: `may_gain`, `may_lose`.
        undecided: Whether for some it can be told neither before nor after.
        too_many: Whether others may gain or lose it, since the patterns combine in too many ways.
    """

    by_name: Mapping[str, list[Change]]
    undecided: bool
    too_many: bool


# What changes for one, by whether it has the right before and after.
NAMES = {
    (False, True): "gains",
    (None, True): "may_gain",
    (False, None): "may_gain",
    (True, False): "loses",
    (True, None): "may_lose",
    (None, False): "may_lose",
}
UNCERTAIN = {"gains": "may_gain", "loses": "may_lose"}


def changes(before: Sequence[Grants], after: Sequence[Grants]) -> Changes:
    """Return what changes for the service accounts of a cluster, by what is said to their tokens before and after."""
    sides = before, after
    patterns, too_many = _patterns([*before, *after])
    by_name: dict[str, list[Change]] = {name: [] for name in ("gains", "loses", "may_gain", "may_lose")}
    undecided = False
    for subject in sorted(patterns, key=lambda each: (not is_pattern(each), len(each), each)):
        stranger = _stranger(subject, patterns)
        if stranger is None:
            too_many = True
            continue
        had, has = (held_by_one(side, stranger) for side in sides)
        undecided |= had is None and has is None
        if name := NAMES.get((had, has)):
            certain, but = _exceptions(name, subject, sides)
            found = by_name[name if certain else UNCERTAIN.get(name, name)]
            if not any(is_within(subject, [each.subject]) and not overlaps(subject, each.but) for each in found):
                found.append(Change(subject, but))
    return Changes({name: sorted(those) for name, those in by_name.items()}, undecided, too_many)


def held_by_one(side: Iterable[Grants], subject: str) -> bool | None:
    """Return whether a service account, `namespace:name`, has the right; None where that cannot be decided."""
    return any_of([of.answer(subject).given for of in side])


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


def _exceptions(name: str, subject: str, sides: Sequence[Sequence[Grants]]) -> tuple[bool, Sequence[str]]:
    """Return whether a change is one of all whom a pattern matches, but for those in the patterns beside it."""
    if not is_pattern(subject):
        return True, ()
    gains = name in ("gains", "may_gain")
    # Who had the right before and has it is no exception to who gains it; who keeps it is one to who loses it.
    answers = [of.answer(subject) for of in sides[gains]]
    rows = [] if gains else [(each, of.answer(each)) for of in sides[1] for each in of.named]
    there = {each: answer for each, answer in rows if answer.given is not False and overlaps(subject, [each])}
    keeping = {each for each, answer in there.items() if answer == Answer(given=True) and is_within(each, [subject])}
    certain = any(each.given for each in answers) and keeping == there.keys()
    return certain, tuple(widest({*keeping, *(one for each in answers for one in each.denied)}))
