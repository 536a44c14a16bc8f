"""A message in the form that all subcommands print: where and what, then `found`, `expected` and `do`, a line each."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from irsa.rules.mistakes import and_more, visible

INDENT = "    "
DO = "do"
# How many names a message lists.
NAMED = 5


class Message(NamedTuple):
    """A message: a heading, labeled parts, and the command that fixes it, if there is one."""

    heading: str
    parts: Sequence[tuple[str, str]] = ()
    command: str = ""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the part of each line (empty for the heading), and its text; an empty line after the last part."""
        parts = [*self.parts, *([(DO, self.command)] if self.command else [])]
        size, before = max((len(part) for part, _ in parts), default=0) + 2, ""
        yield "", visible(self.heading)
        for part, text in parts:
            yield part, f"{INDENT}{(f'{part}:' if part != before else '').ljust(size)}{visible(text)}".rstrip()
            before = part
        if parts:
            yield "", ""


def first_few(names: Sequence[str]) -> list[str]:
    """Return the first names of a list, and how many more there are."""
    return [*names[:NAMED], *and_more(len(names), NAMED)]
