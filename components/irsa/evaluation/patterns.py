"""Patterns with the wildcards * and ?: what they match, which overlap, and which is within which. Pure."""

import functools
import re
from collections.abc import Iterable

from irsa.rules.subjects import is_pattern

# What policy variables for plain characters stand for: in patterns and in what is compared, these are no wildcards.
PLAIN = {"*": "\ue000", "?": "\ue001", "$": "$"}
TO_PLAIN = str.maketrans(PLAIN)
# Pairs of places in two patterns that are looked at.
MOST_PLACES = 60_000


def matches(text: str, pattern: str) -> bool:
    """Return whether the pattern matches the whole text."""
    return regular_expression(pattern).fullmatch(text) is not None


@functools.lru_cache(10_000)
def regular_expression(pattern: str, one: str = ".") -> re.Pattern[str]:
    """Return a pattern as a regular expression; it takes time proportional to text times pattern.

    Where a part between two `*` matches first, it may stay: whatever follows is found behind it, if it is there at all.
    So nothing is tried twice (an atomic group).

    Args:
        pattern: The pattern.
        one: What `?` stands for, as a regular expression.
    """
    texts = [""]
    for part in pattern:
        if part == "*":
            texts += [""]
        else:
            texts[-1] += one if part == "?" else re.escape(part)
    first, *others = texts
    if not others:
        return re.compile(first, re.DOTALL)
    *between, last = others
    return re.compile(f"{first}{''.join(f'(?>.*?{each})' for each in between if each)}.*{last}", re.DOTALL)


@functools.lru_cache(maxsize=100_000)
def covers(glob: str, other: str) -> bool:
    """Return whether a pattern matches whatever another one matches, as far as their spelling tells.

    A `?` stands for no `*`: that may be nothing, or several characters.
    """
    if not is_pattern(glob):
        return glob == other
    if glob[-1] == "*" and not is_pattern(glob[:-1]):
        return other.startswith(glob[:-1])
    return regular_expression(glob, "[^*]").fullmatch(other) is not None


def widest(globs: Iterable[str]) -> list[str]:
    """Return patterns without those that are within another one, sorted."""
    found: list[str] = []
    for glob in sorted({*globs}, key=lambda each: (len(each), each)):
        if not any(covers(each, glob) for each in found):
            found = [each for each in found if not covers(glob, each)] + [glob]
    return sorted(found)


@functools.lru_cache(maxsize=100_000)
def overlap(one: str, other: str) -> bool:
    """Return whether some text matches both patterns; True where that takes too long to tell."""
    if one == other or not (is_pattern(one) or is_pattern(other)):
        return one == other
    if len(one) * len(other) > MOST_PLACES:
        return True
    end, stars = len(other), [at for at, char in enumerate(other) if char == "*"]
    # Places in the other one, up to which it matches what was read of the first.
    places = _behind_stars({0}, stars)
    for char in one:
        if char == "*":
            places = {*range(min(places), end + 1)}
        else:
            taking = [at for at in places if at < end and (char == "?" or other[at] in ("?", "*", char))]
            places = _behind_stars({at + (other[at] != "*") for at in taking}, stars)
        if not places:
            return False
    return end in places


def _behind_stars(places: set[int], stars: Iterable[int]) -> set[int]:
    """Return places in a pattern, and those behind its stars, which may stand for nothing."""
    for at in stars:
        if at in places:
            places.add(at + 1)
    return places
