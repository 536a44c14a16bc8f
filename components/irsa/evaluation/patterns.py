"""Strings with the wildcards * and ?, and what they match."""

import functools
import re

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


def matches(text: str, pattern: Pattern | str) -> bool:
    """Return whether the pattern matches the whole text; in a pattern that is text, * and ? are wildcards."""
    return regular_expression(pattern).fullmatch(text) is not None


@functools.lru_cache(10_000)
def regular_expression(pattern: Pattern | str, one: str = ".") -> re.Pattern[str]:
    """Return a pattern as a regular expression; it takes time proportional to text times pattern.

    Where a part between two `*` matches first, it may stay: whatever follows is found behind it, if it is there at all.
    So nothing is tried twice (an atomic group).

    Args:
        pattern: The pattern; in one that is text, * and ? are wildcards.
        one: What `?` stands for, as a regular expression.
    """
    texts = [""]
    for part in pattern:
        if part == "*":
            texts += [""]
        else:
            texts[-1] += one if part == "?" else re.escape(part) if len(part) == 1 else f"[{re.escape(part)}]"
    first, *others = texts
    if not others:
        return re.compile(first, re.DOTALL)
    *between, last = others
    return re.compile(f"{first}{''.join(f'(?>.*?{each})' for each in between if each)}.*{last}", re.DOTALL)
