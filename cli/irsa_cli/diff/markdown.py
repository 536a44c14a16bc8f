"""A diff as Markdown, for the comment of a pull request. Pure.

What others wrote stands in code spans and code blocks alone: GitHub reads neither Markdown nor HTML nor mentions there.
https://github.github.com/gfm/#code-spans, https://github.github.com/gfm/#fenced-code-blocks
"""

import itertools
import re
from collections.abc import Iterable

from irsa.rules.mistakes import named, visible
from irsa_cli.diff.lines import (
    NOBODY,
    Row,
    document_rows,
    failed_rows,
    headline,
    note_rows,
    setting_rows,
    summary,
    told_rows,
)
from irsa_cli.diff.output import Diff

# GitHub takes 65,536 characters; the rest is for headings, and a marker by which a workflow finds its comment again.
ROOM = {failed_rows: 6_000, told_rows: 25_000, setting_rows: 5_000, document_rows: 15_000, note_rows: 8_000}
LONGEST_LINE = 5_000


def markdown(diff: Diff, command: str) -> str:
    """Return a diff as Markdown that GitHub takes; what is left out is counted, and the command shows it."""
    first, *others = (_block(rows(diff), room, command) for rows, room in ROOM.items())
    parts = (f"**{name}:** {those if those == NOBODY else code(_cut(those, 500))}" for name, those in headline(diff))
    heading = [f"### irsa diff: stack {code(named(diff.stack))}", "", *first, "; ".join(parts), ""]
    return "\n".join([*heading, *itertools.chain(*others), code(" ".join(summary(diff).pieces)), ""])


def _block(rows: Iterable[Row], room: int, command: str) -> list[str]:
    """Return rows as a code block; where they do not all fit, with the number of those that do not."""
    lines = [_cut(line, LONGEST_LINE) for row in rows for line in row.lines]
    if not lines:
        return []
    fence = "`" * (max(map(len, re.findall("`{3,}", "\n".join(lines))), default=2) + 1)
    fitting = sum(taken <= room for taken in itertools.accumulate(len(line) + 1 for line in lines))
    left = f"**{len(lines) - fitting:,} more lines are not shown**: {code(command)} shows them."
    return [f"{fence}diff", *lines[:fitting], fence, "", *([left, ""] if fitting < len(lines) else [])]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most:,} more characters)"


def code(text: str) -> str:
    """Return a text of one line as a code span, whatever backticks it has."""
    escaped = visible(text) or " "
    fence = "`" * (max(map(len, re.findall("`+", escaped)), default=0) + 1)
    pad = " " if escaped[0] in "` " or escaped[-1] in "` " else ""
    return f"{fence}{pad}{escaped}{pad}{fence}"
