"""Strings with the wildcards * and ?, and what they match."""

from collections.abc import Mapping
from enum import Enum


class Wildcard(Enum):
    """A wildcard: for any number of characters, or for one."""

    MANY = "*"
    ONE = "?"


Pattern = tuple[str | Wildcard, ...]
WILDCARDS: Mapping[str, Wildcard] = {wildcard.value: wildcard for wildcard in Wildcard}


def pattern_of(text: str, wildcards: bool) -> Pattern:
    """Return a string as a pattern, in which * and ? are wildcards or plain characters."""
    return tuple(WILDCARDS.get(character, character) if wildcards else character for character in text)


def matches(text: str, pattern: Pattern) -> bool:
    """Return whether the pattern matches the whole text, in time proportional to text times pattern."""
    at, position, star, resume = 0, 0, -1, 0
    while at < len(text):
        part = pattern[position] if position < len(pattern) else None
        if part is Wildcard.MANY:
            star, resume = position, at
            position += 1
        elif part is Wildcard.ONE or part == text[at]:
            at, position = at + 1, position + 1
        elif star >= 0:
            resume += 1
            at, position = resume, star + 1
        else:
            return False
    return all(part is Wildcard.MANY for part in pattern[position:])
