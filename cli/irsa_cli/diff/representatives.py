"""One text for each set of patterns that a text can match: no right is missed, however patterns combine. Pure."""

import functools
import string
from collections.abc import Mapping
from dataclasses import dataclass

from irsa.rules.strangers import automaton
from irsa.rules.subjects import is_pattern

# Patterns made to combine in very many ways are not followed to the end.
MOST_STATES = 2_000
LETTER, LETTERS, OTHERS = "a", string.ascii_lowercase + string.digits, "-.:"


@dataclass(frozen=True, eq=False)
class Form:
    """What a text may look like.

    Attributes:
        following: The phase after a character, by the phase before it and the character; `a` is any letter or digit.
        ends: The phases in which it may end.
        longest: How many characters it has at most.
        any_letters: Whether a letter is any character, and not only one of a name.
    """

    following: Mapping[tuple[str, str], str]
    ends: frozenset[str]
    longest: int
    any_letters: bool = False


# `namespace:name`: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
SERVICE_ACCOUNT = Form(
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
    frozenset({"name"}),
    63 + 1 + 253,
)
AUDIENCE = Form(
    {(before, each): "text" for before in ("", "text") for each in (LETTER, *OTHERS)},
    frozenset({"text"}),
    255,
    any_letters=True,
)


@functools.lru_cache(maxsize=1_000)
def representatives(patterns: frozenset[str], form: Form) -> tuple[str, ...] | None:
    """Return texts of which each matches another set of the patterns, all that there are; None where that is too much.

    Without wildcards there are none: each text is known.

    Args:
        patterns: Patterns with the wildcards `*` and `?`.
        form: What the texts look like.
    """
    if not any(map(is_pattern, patterns)):
        return ()
    compared = automaton(sorted(patterns))
    letters = sorted({*LETTERS, *(compared.steps if form.any_letters else ())} - {*OTHERS})
    unnamed = next((each for each in letters if each not in compared.steps), None)
    alphabet = [(each, LETTER) for each in letters if each in compared.steps]
    alphabet += [(unnamed, LETTER)] if unnamed else []
    alphabet += [(each, each) for each in OTHERS]
    seen = {("", compared.start): ""}
    reached = list(seen)
    found: dict[int, str] = {}
    # The list grows while it is read.
    for phase, bits in reached:
        text = seen[phase, bits]
        if phase in form.ends:
            found.setdefault(bits & compared.ends, text)
        for character, kind in alphabet if len(text) < form.longest else ():
            after = form.following.get((phase, kind))
            if after is not None:
                state = after, compared.after(bits, character)
                if state not in seen:
                    seen[state] = text + character
                    reached.append(state)
        if len(seen) > MOST_STATES:
            return None
    return tuple(found.values())
