"""Strings with the wildcards * and ?, and what they match."""

import functools
import re
from collections.abc import Iterator

# Each part is `*`, `?`, a character, or several of which one must stand there: so `**` is a plain `*`.
Pattern = tuple[str, ...]


@functools.lru_cache(1_000)
def pattern_of(text: str, wildcards: bool, any_case: bool = False) -> Pattern:
    """Return a string as a pattern, in which * and ? are wildcards or plain characters, and letters of either case."""
    if wildcards:
        return tuple(text)
    plain = (each * 2 if each in "*?" else each for each in text)
    return tuple(each.lower() + each.upper() if any_case and each.isalpha() else each for each in plain)


def text_of(pattern: Pattern) -> str | None:
    """Return a pattern of `sub` with the wildcards `*` and `?`; None where it takes these signs literally."""
    return None if {"**", "??"} & {*pattern} else "".join(part[0] for part in pattern)


def matches(text: str, pattern: Pattern) -> bool:
    """Return whether the pattern matches the whole text, in time proportional to text times pattern."""
    at, position, star, resume = 0, 0, -1, 0
    while at < len(text):
        part = pattern[position] if position < len(pattern) else None
        if part == "*":
            star, resume = position, at
            position += 1
        elif part == "?" or (part and text[at] in part):
            at, position = at + 1, position + 1
        elif star >= 0:
            resume += 1
            at, position = resume, star + 1
        else:
            return False
    return all(part == "*" for part in pattern[position:])


def ends_of_match(text: str, pattern: Pattern) -> Iterator[int]:
    """Yield the lengths of the pattern's beginnings that match the whole text, which is not empty; shortest first."""
    # The lengths of the text's beginnings that the pattern's beginning matches.
    reached = {0}
    for length, part in enumerate(pattern, start=1):
        if part == "*":
            reached = set(range(min(reached), len(text) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(text) and (part == "?" or text[at] in part)}
        if not reached:
            return
        if len(text) in reached:
            yield length


@functools.lru_cache(10_000)
def regular_expression(pattern: str, one: str = ".") -> re.Pattern[str]:
    """Return a pattern of StringLike as a regular expression; it takes time proportional to text times pattern.

    Where a part between two `*` matches first, it may stay: whatever follows is found behind it, if it is there at all.
    So nothing is tried twice (an atomic group).

    Args:
        pattern: The pattern.
        one: What `?` stands for, as a regular expression.
    """
    first, *others = (re.escape(part).replace(r"\?", one) for part in re.split(r"\*+", pattern))
    if not others:
        return re.compile(first, re.DOTALL)
    *between, last = others
    return re.compile(f"{first}{''.join(f'(?>.*?{part})' for part in between)}.*{last}", re.DOTALL)
