"""What is wrong with a value, in the shape that every message of irsa has."""

import difflib
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

LONGEST_NAMED = 2_048
LINE = 80
LISTED = 20
COMPARED = 1_000
# Mistakes of one file or component: who reads them corrects the first ones.
PRINTED = 100
# A colon at its start would command CI, and at its end introduce what follows.
PLAIN = re.compile(r"(?!:)[\w./:@+=,*~${}-]+(?<!:)", re.ASCII)
Place = tuple[str | int, ...]
"""A path within a value: keys of mappings and indexes of lists."""


class WrittenStep(str):
    """A step of a place with what stands for it in the file: a key with variables, the index of an item, or itself."""

    written: str | int

    def __new__(cls, text: str, written: str | int | None = None) -> "WrittenStep":
        """Return the step."""
        step = super().__new__(cls, text)
        step.written = text if written is None else written
        return step


def path_of(parts: Iterable[str | int]) -> str:
    """Return a path within a value as text: `bindings.my-app.policyArns[1]`, `annotations["example.com/owner"]`."""
    return "".join(map(_step, parts)).removeprefix(".")


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    # Keys come from the caller: a line break in one must not look like a line of our message.
    return f".{part}" if re.fullmatch(r"[\w-]+", part) else f"[{visible(json.dumps(part, ensure_ascii=False))}]"


Spelling = Callable[[Place], str]
"""How a caller spells an argument: `role.name_prefix` is `role.namePrefix` in a stack file and in TypeScript."""


class Mistake(ValueError):
    """A value that AWS, Kubernetes or irsa would refuse.

    Attributes:
        found: What was found.
        allowed: What is allowed.
        fix: What to do; each `{}` in it stands for one of the arguments. If it ends with a command and that is
            empty, the part that introduces the command goes, too.
        arguments: The component's arguments that the fix names, if it names any.
    """

    def __init__(self, found: str, allowed: str, fix: str, *arguments: Place) -> None:
        self.found = visible(found)
        self.allowed = visible(allowed)
        said = fix.removesuffix(": ")
        self.fix = visible(fix if said == fix else said.rpartition("; ")[0] or said)
        self.arguments = arguments
        fix = self.spelled(path_of).fix if arguments else self.fix
        super().__init__(f"{self.found}; allowed: {self.allowed}; {fix}")

    def spelled(self, spelling: Spelling) -> "Mistake":
        """Return the mistake with the arguments in its fix as the caller spells them."""
        if not self.arguments:
            return self
        return Mistake(self.found, self.allowed, self.fix.format(*map(spelling, self.arguments)))


Located = tuple[Place, Mistake]


def nearest(text: object, known: Iterable[str], otherwise: str) -> str:
    """Return the advice to use the known name with the most similar spelling, or `otherwise`."""
    close = likely(text, known)
    return f"did you mean {close!r}?" if close is not None else otherwise


def likely(text: object, known: Iterable[str], least: float = 0.6, most: int = COMPARED) -> str | None:
    """Return the known name with the most similar spelling; None where none is similar. Case does not count.

    Args:
        text: What was written.
        known: The names.
        least: How similar it must be; 1 is the same.
        most: How many names are compared, since thousands take long.
    """
    lower = {str(item).lower(): item for item in itertools.islice(known, most)}
    close = difflib.get_close_matches(str(text).lower(), lower, n=1, cutoff=least)
    return lower[close[0]] if close else None


def visible(text: str) -> str:
    """Return a text on one line, in which nothing drives a terminal, turns the direction of writing or commands CI.

    GitHub's runner takes `##[` for a command anywhere in a line, and `::` at its start:
    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    """
    if text.isprintable() and "##[" not in text:
        return text
    escaped = (each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return "".join(escaped).replace("##[", r"#\x23[")


def visible_json(text: str) -> str:
    """Return the same JSON, with escapes in place of what `visible` would not print."""
    if text.replace("\n", "").isprintable() and "##[" not in text:
        return text
    escaped = (each if each.isprintable() or each == "\n" else _as_utf_16(each) for each in text)
    return "".join(escaped).replace("##[", r"#\u0023[")


def _as_utf_16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def named(name: str) -> str:
    """Return what somebody else wrote for a message: as it is where it is one plain word, else in quotes.

    The quotes show where it ends, so that `x; fix: ...` in it cannot pass for our words. Of a text that is longer than
    any ARN, the start is enough.
    """
    if len(name) > LONGEST_NAMED:
        return f"{named(name[:LONGEST_NAMED])}... ({len(name):,} characters)"
    return name if PLAIN.fullmatch(name) else visible(json.dumps(name, ensure_ascii=False))


def listed(names: Collection[str], spelled: Callable[[str], str] = str) -> str:
    """Return names for a message, the first 20 of them, each as the function spells it."""
    first = [named(spelled(name)) for name in itertools.islice(names, LISTED)]
    return ", ".join([*first, *and_more(len(names), LISTED)])


def and_more(number: int, most: int) -> list[str]:
    """Return how many more there are than a message names at most, such as `and 3 more`; nothing where it names all."""
    return [f"and {number - most:,} more"] if number > most else []


def shortened(value: Any) -> str:
    """Return a value for a message; a long one is shortened."""
    text = "nothing" if value is None else repr(value)
    if len(text) <= LINE:
        return text
    # The quotes of a string are closed, or what follows could be taken for more of it.
    end = f"...{text[0]}" if isinstance(value, str) else "..."
    return text[: LINE - len(end)] + end


def kind_of(value: object) -> str:
    """Return a value of a wrong type for a message, in the terms of JSON and YAML; a long one is shortened."""
    if isinstance(value, str) and not value:
        return "an empty string"
    if isinstance(value, Mapping):
        return f"a mapping ({shortened(', '.join(map(str, value)))})" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return str(value).lower() if isinstance(value, bool) else shortened(value)


def in_advice(value: Any, otherwise: str) -> str:
    """Return a value as advice may name it: whole, since it is pasted; other words for a long one."""
    text = repr(value)
    return text if len(text) <= LINE else otherwise


def described(where: str, mistake: Mistake) -> str:
    """Return the lines of a message: where, found, allowed, do."""
    return f"{where}\n    found:   {mistake.found}\n    allowed: {mistake.allowed}\n    do:      {mistake.fix}"
