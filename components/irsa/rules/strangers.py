"""Service accounts that nobody named, for patterns that seem narrow and leave out next to nobody.

`team-a:?*`, or `a*:*` to `z*:*` and `0*:*` together, are spelled unlike `*`. So patterns are compared with names: those
of 8 to 20 lower-case letters, which every namespace and service account may have
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/). Patterns that leave none of these out are as
wide as `*`, whatever they do with other names.
"""

import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

SHORTEST, LONGEST = 8, 20
# Patterns made to have very many ways to match are followed along the likeliest ones to leave a name out. Then a
# stranger may be missed, so that they count as wide.
MOST_WAYS = 64


class Automaton(NamedTuple):
    """All patterns at once: a bit says that a pattern's first tokens have matched so far.

    Attributes:
        start: The bits before any character.
        steps: By character, the bits that it takes one further.
        other: The same for a character that no pattern names.
        stays: The bits that any character leaves where they are.
        ends: The bits that stand for a whole match.
    """

    start: int
    steps: Mapping[str, int]
    other: int
    stays: int
    ends: int

    def after(self, bits: int, text: str) -> int:
        """Return the bits after further characters."""
        for character in text:
            bits = (bits & self.steps.get(character, self.other)) << 1 | bits & self.stays
        return bits


def automaton(patterns: Iterable[Iterable[str]]) -> Automaton:
    """Return an automaton that compares a text with all patterns at once.

    Args:
        patterns: Each of `*`, `?`, characters, and strings of several characters, of which one must stand there.
    """
    start = other = stays = ends = 0
    named: dict[str, int] = {}
    bit = 1
    for pattern in patterns:
        start |= bit
        for part in pattern:
            if part == "*":
                stays |= bit
                continue
            if part == "?":
                other |= bit
            else:
                named |= {character: named.get(character, 0) | bit for character in part}
            bit <<= 1
        ends |= bit
        bit <<= 1
    return Automaton(start, {character: bits | other for character, bits in named.items()}, other, stays, ends)


def stranger(subjects: Collection[str], namespace: str | None = None) -> str | None:
    """Return a service account that none of the patterns matches, as `namespace:name`; None where there is none.

    Args:
        subjects: `namespace:name` patterns, with the wildcards `*` and `?`.
        namespace: Its namespace, where it may be in no other one.
    """
    compared = automaton(subjects)
    letters = [letter for letter in string.ascii_lowercase if letter in compared.steps]
    unnamed = next((letter for letter in string.ascii_lowercase if letter not in compared.steps), None)
    alphabet = [*([unnamed] if unnamed else []), *letters]
    first, *others = ("", ":", "") if namespace is None else (f"{namespace}:", "")
    now = {compared.after(compared.start, first): first}
    for literal in others:
        names = _after_a_name(compared, now, alphabet)
        now = {compared.after(bits, literal): text + literal for bits, text in names.items()}
    return next((text for bits, text in now.items() if not bits & compared.ends), None)


def _after_a_name(
    compared: Automaton,
    starts: Mapping[int, str],
    alphabet: Sequence[str],
) -> dict[int, str]:
    """Return the bits that names lead to, each with a text that does, from the bits before the name."""
    found: dict[int, str] = {}
    now = dict(starts)
    for length in range(1, LONGEST + 1):
        following: dict[int, str] = {}
        for bits, text in now.items():
            for letter in alphabet:
                following.setdefault(compared.after(bits, letter), text + letter)
        now = _least(following)
        if length >= SHORTEST:
            found = {**now, **found}
    return _least(found)


def _least(found: Mapping[int, str]) -> dict[int, str]:
    """Return the bits with which least can still match: with more bits, nothing can do better."""
    kept: dict[int, str] = {}
    for bits in sorted(found, key=int.bit_count):
        if len(kept) == MOST_WAYS:
            break
        if not any(fewer & bits == fewer for fewer in kept):
            kept[bits] = found[bits]
    return kept
