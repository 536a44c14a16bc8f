"""The kinds of texts that patterns can tell apart: no text is missed, however the patterns combine. Pure."""

import functools
import itertools
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation.patterns import Pattern
from irsa.rules.names import NAMESPACE, SERVICE_ACCOUNT
from irsa.rules.strangers import automaton
from irsa.rules.subjects import subject_claim

# Patterns made to combine in very many ways are not followed to the end.
MOST_STATES = 5_000
MOST_KINDS = 1_000
# States, and bits of each.
MOST_WORK = 20_000_000
LETTER, LETTERS, OTHERS = "a", string.ascii_lowercase + string.digits, "-.:"
# Behind the letters, there are more of these than a trust policy has characters.
FURTHER = range(0x4E00, 0x9FFF)


@dataclass(frozen=True, eq=False)
class Form:
    """What a text looks like.

    Attributes:
        following: The phase after a character, by the phase before it and the character; `a` is any letter or digit.
        ends: The phases in which it may end.
        longest: How many characters its parts have at most, without the colons between them.
        any_letters: Whether a letter is any character, and not only one of a name.
    """

    following: Mapping[tuple[str, str], str]
    ends: tuple[str, ...]
    longest: tuple[int, ...]
    any_letters: bool = False


# `namespace:name`: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
OF_SERVICE_ACCOUNTS = Form(
    {
        ("", LETTER): "namespace",
        ("namespace", LETTER): "namespace",
        ("namespace", "-"): "namespace-",
        ("namespace-", LETTER): "namespace",
        ("namespace-", "-"): "namespace-",
        ("namespace", ":"): "label",
        ("label", LETTER): "name",
        ("name", LETTER): "name",
        ("name", "-"): "name-",
        ("name-", LETTER): "name",
        ("name-", "-"): "name-",
        ("name", "."): "label",
    },
    ("name",),
    (NAMESPACE.longest, SERVICE_ACCOUNT.longest),
)
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
OF_AUDIENCES = Form(
    {(before, each): "text" for before in ("", "text") for each in (LETTER, *OTHERS)}, ("text",), (255,), True
)


class Kinds(NamedTuple):
    """Kinds of texts: two texts are of one kind where each pattern matches both, or neither.

    Attributes:
        texts: One text of each kind, all kinds that there are.
        matching: For each pattern the kinds that it matches: a bit for each.
    """

    texts: tuple[str, ...]
    matching: tuple[int, ...]

    @property
    def all(self) -> int:
        """All kinds."""
        return (1 << len(self.texts)) - 1

    @property
    def claims(self) -> dict[str, int]:
        """The `sub` of each kind of service accounts, with its bit."""
        return {subject_claim(text): 1 << kind for kind, text in enumerate(self.texts)}


@functools.lru_cache(maxsize=200)
def kinds(
    patterns: tuple[Pattern, ...], form: Form, beginning: str = "", most_states: int = MOST_STATES
) -> Kinds | None:
    """Return the kinds of texts; None where the patterns make too many.

    Args:
        patterns: The patterns, which match whole texts.
        form: What the texts look like.
        beginning: What stands before each text, where a pattern is compared with it.
        most_states: How far the patterns are followed.
    """
    if all(len(part) == 1 and part not in "*?" for pattern in patterns for part in pattern):
        return _of_names([*map("".join, patterns)], form, beginning)
    compared = automaton(patterns)
    letters = sorted({*LETTERS, *(compared.steps if form.any_letters else ())} - {*OTHERS})
    # The first that no pattern names stands for all that none names.
    unnamed = next(each for each in itertools.chain(LETTERS, map(chr, FURTHER)) if each not in compared.steps)
    alphabet = [(each, LETTER) for each in letters if each in compared.steps]
    alphabet += [(unnamed, LETTER)] if unnamed in LETTERS or form.any_letters else []
    alphabet += [(each, each) for each in OTHERS]
    moves = {
        phase: [(each, form.following[phase, kind]) for each, kind in alphabet if (phase, kind) in form.following]
        for phase in {"", *form.following.values()}
    }
    most = min(most_states, MOST_WORK // max(compared.ends.bit_length(), 1))
    found: dict[int, str] = {}
    # By part: the shortest text of each state, whatever came before the part.
    starts = {("", compared.after(compared.start, beginning)): ""}
    for longest in form.longest:
        following: dict[tuple[str, int], str] = {}
        seen = dict(starts)
        reached = [(state, 0) for state in seen]
        # The list grows while it is read.
        for (phase, so_far), length in reached:
            text = seen[phase, so_far]
            if phase in form.ends:
                found.setdefault(so_far & compared.ends, text)
            stays = so_far & compared.stays
            for character, after in moves[phase]:
                state = after, (so_far & compared.steps.get(character, compared.other)) << 1 | stays
                if character == ":" and not form.any_letters:
                    following.setdefault(state, text + character)
                elif length < longest and state not in seen:
                    seen[state] = text + character
                    reached.append((state, length + 1))
            if len(seen) > most or len(found) > MOST_KINDS:
                return None
        starts = following
    ends = [*bits(compared.ends)]
    matching = (sum(1 << kind for kind, ended in enumerate(found) if ended & end) for end in ends)
    return Kinds(tuple(found.values()), tuple(matching))


def _of_names(names: Sequence[str], form: Form, beginning: str) -> Kinds:
    """Return the kinds where no pattern has a wildcard: each name, and any other one."""
    legal = {name[len(beginning) :] for name in names if name.startswith(beginning)}
    legal = {each for each in legal if _is_of(each, form)}
    other = next(each for each in _samples(form) if each not in legal)
    texts = [*sorted(legal), other]
    place = {f"{beginning}{text}": 1 << index for index, text in enumerate(texts[:-1])}
    return Kinds(tuple(texts), tuple(place.get(name, 0) for name in names))


def _is_of(text: str, form: Form) -> bool:
    phase: str | None = ""
    for character in text:
        kind = character if character in OTHERS else LETTER if form.any_letters or character in LETTERS else None
        phase = form.following.get((phase or "", kind or ""))
        if phase is None:
            return False
    parts = [text] if form.any_letters else text.split(":")
    return phase in form.ends and all(len(each) <= most for each, most in zip(parts, form.longest, strict=True))


def _samples(form: Form) -> Iterator[str]:
    for letters in itertools.product(LETTERS, repeat=4):
        name = "".join(letters)
        yield name if form.any_letters else f"{name}:{name}"


def bits(number: int) -> Iterator[int]:
    """Yield the bits of a set, one by one."""
    while number:
        lowest = number & -number
        yield lowest
        number ^= lowest


def union(sets: Iterable[int]) -> int:
    """Return what is in one of several sets."""
    return functools.reduce(int.__or__, sets, 0)
