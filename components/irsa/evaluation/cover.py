"""Patterns that say which kinds of service accounts are meant, as exactly as patterns can. Pure."""

import functools
import itertools
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from irsa.evaluation.kinds import MOST_STATES, OF_SERVICE_ACCOUNTS, Kinds, bits, kinds, union
from irsa.evaluation.patterns import Pattern, TooManyError, both, intersection, text_of, widest
from irsa.rules.names import NAMESPACE, SERVICE_ACCOUNT
from irsa.rules.subjects import CLAIM_PREFIX, EVERY_SERVICE_ACCOUNT

Key = TypeVar("Key", bound=Hashable)
MOST_FURTHER = 200


def of_subjects(patterns: tuple[Pattern, ...], most_states: int = MOST_STATES) -> Kinds | None:
    """Return the kinds of service accounts, `namespace:name`, that patterns of `sub` make; None for too many."""
    return kinds(patterns, OF_SERVICE_ACCOUNTS, CLAIM_PREFIX, most_states)


def cover(
    patterns: tuple[Pattern, ...], wanted: Callable[[Kinds], Mapping[Key, int]], most_states: int = MOST_STATES
) -> tuple[Kinds, Mapping[Key, Mapping[str, int]]] | None:
    """Return for each set of kinds the `namespace:name` patterns that together match all of it.

    Each matches a service account of the set, and where patterns can say it, none that is not of the set.

    Args:
        patterns: The patterns of `sub` by which service accounts differ.
        wanted: Returns the sets, of the kinds that these patterns make, and maybe others after them.
        most_states: How far the patterns are followed.

    Returns:
        The kinds, and for each set its patterns with the kinds that each matches; None where that is too much to tell.
    """
    found = of_subjects(patterns, most_states)
    if found is None:
        return None
    matched = _matched(found)
    ways = {key: [*_chosen(found, matched, those, those)] for key, those in wanted(found).items()}
    globs: dict[frozenset[int], list[str]] = {}
    for way in (way for of_set in ways.values() for way in of_set):
        if way not in globs:
            # Where there are too many intersections, those of one pattern take all in.
            globs[way] = _globs(patterns, way) or min((_globs(patterns, {each}) or [] for each in way), key=_literal)
    if all(len(way) <= 1 and len(globs[way]) == 1 for way in globs):
        # Each is what a condition says.
        matching = {globs[way][0]: _all(found, way) for way in globs}
        return found, {
            key: {glob: matching[glob] for glob in widest(globs[way][0] for way in those)}
            for key, those in ways.items()
        }
    further = {glob: tuple(f"{CLAIM_PREFIX}{glob}") for each in globs.values() for glob in each}
    found = of_subjects((*patterns, *further.values()), most_states) if len(further) <= MOST_FURTHER else None
    if found is None:
        return None
    matching = dict(zip(further, found.matching[len(patterns) :], strict=True))
    covered: dict[Key, Mapping[str, int]] = {}
    for key, those in wanted(found).items():
        subjects = widest(glob for way in ways[key] for glob in globs[way] if matching[glob] & those)
        covered[key] = {each: matching[each] for each in subjects}
        if those & ~union(covered[key].values()):
            return None
    return found, covered


class Within(NamedTuple):
    """Service accounts of one set that are within another one.

    Attributes:
        subjects: Patterns for them, and for nobody who is not of the first set.
        are_all: Whether these patterns are for all of them.
    """

    subjects: tuple[str, ...] = ()
    are_all: bool = True


def subjects_within(patterns: tuple[Pattern, ...], found: Kinds, those: int, within: Iterable[int]) -> list[Within]:
    """Return who is of one set of kinds and within another one, for each of several others."""
    found = found._replace(matching=found.matching[: len(patterns)])
    matched = _matched(found)
    result: list[Within] = []
    for each in within:
        globs: set[str] = set()
        are_all = True
        for way in _chosen(found, matched, those, those & each):
            exact = None if _all(found, way) & ~those else _globs(patterns, way)
            are_all &= exact is not None
            globs.update(exact or ())
        result.append(Within(tuple(widest(glob for glob in globs if _is_somebody(glob))), are_all))
    return result


def _is_somebody(glob: str) -> bool:
    found = of_subjects((tuple(f"{CLAIM_PREFIX}{glob}"),))
    return found is None or found.matching[0] > 0


class _Matched(NamedTuple):
    """The patterns that a kind matches, widest first, and the kinds that match all of them."""

    patterns: Sequence[int]
    kinds: int


def _matched(found: Kinds) -> list[_Matched]:
    """Return for each kind which patterns it matches."""
    of_kind: list[list[int]] = [[] for _ in found.texts]
    for pattern in sorted(range(len(found.matching)), key=lambda each: -found.matching[each].bit_count()):
        for bit in bits(found.matching[pattern]):
            of_kind[bit.bit_length() - 1].append(pattern)
    return [_Matched(patterns, _all(found, patterns)) for patterns in of_kind]


def _all(found: Kinds, way: Iterable[int]) -> int:
    """Return the kinds that match all of some patterns."""
    return functools.reduce(int.__and__, (found.matching[each] for each in way), found.all)


def _chosen(found: Kinds, matched: Sequence[_Matched], those: int, left: int) -> Iterator[frozenset[int]]:
    """Yield sets of patterns: whoever is of the kinds matches all patterns of one set.

    First those that nobody else matches, with as few patterns as that takes.

    Args:
        found: The kinds.
        matched: Which patterns each matches.
        those: The kinds that are meant.
        left: Which of them are to be matched.
    """
    by_number = sorted((bit.bit_length() - 1 for bit in bits(left)), key=lambda kind: len(matched[kind].patterns))
    for exact, kind in itertools.product((True, False), by_number):
        if left >> kind & 1 and (not matched[kind].kinds & ~those) is exact:
            way = _fewest(found, matched[kind], those)
            left &= ~_all(found, way)
            yield way


def _fewest(found: Kinds, matched: _Matched, those: int) -> frozenset[int]:
    """Return those of a kind's patterns that leave out whoever all of them together leave out."""
    # Of two patterns the wider one comes first: it is the first to be left out.
    of_those = [found.matching[each] for each in matched.patterns]
    following = [*itertools.accumulate(reversed(of_those), int.__and__, initial=found.all)][::-1]
    kept, kinds_of_kept = [], found.all
    for place, each in enumerate(matched.patterns):
        if kinds_of_kept & following[place + 1] & ~(those | matched.kinds):
            kept.append(each)
            kinds_of_kept &= found.matching[each]
    return frozenset(kept)


def _globs(patterns: Sequence[Pattern], way: Collection[int]) -> list[str] | None:
    """Return the `namespace:name` patterns of those who match all of some patterns; None for too many."""
    try:
        several = [[*_subjects(patterns[each])] for each in sorted(way)]
        return functools.reduce(intersection, several) if several else [EVERY_SERVICE_ACCOUNT]
    except TooManyError:
        return None


def _literal(subjects: Sequence[str]) -> tuple[int, int]:
    """Return how wide patterns are: less is narrower."""
    return -max((len(re.sub("[*?]", "", each)) for each in subjects), default=0), len(subjects)


@functools.lru_cache(maxsize=1_000)
def _subjects(pattern: Pattern) -> tuple[str, ...]:
    text = text_of(pattern)
    return () if text is None else tuple(widest(_subjects_of_claim(text)))


def is_of_subject(claim: str) -> bool:
    """Return whether a pattern of `sub` is one for service accounts, by its spelling."""
    try:
        return bool(_subjects_of_claim(claim))
    except TooManyError:
        return True


@functools.lru_cache(maxsize=1_000)
def _subjects_of_claim(claim: str) -> set[str]:
    """Return the `namespace:name` patterns that a pattern of `sub` amounts to, whatever its wildcards stand for."""
    rest = claim.removeprefix(CLAIM_PREFIX)
    if rest == claim:
        found = [each.removeprefix(CLAIM_PREFIX) for each in both(claim, f"{CLAIM_PREFIX}{EVERY_SERVICE_ACCOUNT}")]
    else:
        found = [rest] if ":" in rest else [*both(rest, EVERY_SERVICE_ACCOUNT)]
    return {subject for subject in found if subject.count(":") == 1 and _has_names(*subject.split(":"))}


def _has_names(namespace: str, name: str = "") -> bool:
    """Return whether some service account has a name like this, and its namespace."""
    longest = ((namespace, NAMESPACE.longest), (name, SERVICE_ACCOUNT.longest))
    return all(part and len(part) - part.count("*") <= most for part, most in longest)
