"""A message in the form that all subcommands print: where and what, then `found`, `expected` and `do`, a line each."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from irsa.rules.mistakes import visible
from irsa_world.wrapped import wrapped

INDENT = "    "
DO = "do"
# How many names a message lists.
NAMED = 5


class Message(NamedTuple):
    """A message: a heading, labeled parts, and the command that fixes it, if there is one."""

    heading: str
    parts: Sequence[tuple[str, str]] = ()
    command: str = ""

    def lines(self, width: float = math.inf) -> Iterator[tuple[str, str, str]]:
        """Yield the part of each line (empty for the heading), its label as printed, and its text.

        A line is of at most this width; a command, to be copied, and a longer name are whole in one.
        """
        parts = [*self.parts, *([(DO, self.command)] if self.command else [])]
        size, before = max((len(part) for part, _ in parts), default=0) + 2, ""
        for part, text in (("", self.heading), *parts):
            label = f"{INDENT}{(f'{part}:' if part != before else '').ljust(size)}" if part else ""
            room = math.inf if text is self.command else width
            for number, line in enumerate(wrapped(visible(text), label, " " * max(len(label), 8), room)):
                start = 0 if number else len(label)
                yield part, line[:start], line[start:]
            before = part
        if parts:
            yield "", "", ""


def in_a_pipe(message: Message) -> list[str]:
    """Return the lines of a message, whatever their length."""
    return [label + text for _, label, text in message.lines()]


def first_few(names: Sequence[str]) -> list[str]:
    """Return the first names of a list, and how many more there are."""
    return [*names[:NAMED], *([f"and {len(names) - NAMED:,} more"] if len(names) > NAMED else [])]
