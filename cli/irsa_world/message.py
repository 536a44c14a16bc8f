"""A message in the form that all subcommands print: where and what, then `found`, `expected` and `do`, a line each."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from irsa.rules.mistakes import and_more, visible

INDENT = "    "
DO = "do"
# The style of a line that is folded on a terminal, and has no color.
PLAIN = "none"
Line = tuple[str, str]
"""A line, and its style on a terminal; one without a style stays one line there."""
BLANK: Line = ("", "")
# How many names a message lists.
NAMED = 5


class Message(NamedTuple):
    """A message: a heading, labeled parts, the command that fixes it, if there is one, and the heading's style."""

    heading: str
    parts: Sequence[tuple[str, str]] = ()
    command: str = ""
    style: str = PLAIN

    def lines(self) -> Iterator[Line]:
        """Yield its lines, and a blank one after the last part; on a terminal all but the command is folded."""
        parts = [*self.parts, *([(DO, self.command)] if self.command else [])]
        size, before = max((len(part) for part, _ in parts), default=0) + 2, ""
        yield visible(self.heading), self.style
        for part, text in parts:
            line = f"{INDENT}{(f'{part}:' if part != before else '').ljust(size)}{visible(text)}".rstrip()
            yield line, "" if part == DO and self.command else PLAIN
            before = part
        if parts:
            yield BLANK


def first_few(names: Sequence[str]) -> list[str]:
    """Return the first names of a list, and how many more there are."""
    return [*names[:NAMED], *and_more(len(names), NAMED)]
