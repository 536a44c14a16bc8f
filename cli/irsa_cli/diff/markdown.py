"""A diff as Markdown, for the comment of a pull request. Pure.

What others wrote stands in code spans and code blocks alone: GitHub reads neither Markdown nor HTML nor mentions there.
https://github.github.com/gfm/#code-spans, https://github.github.com/gfm/#fenced-code-blocks
"""

import html
import itertools
import re
from collections.abc import Iterable, Sequence

from irsa.rules.mistakes import named, visible
from irsa_cli.diff.lines import (
    NOBODY,
    OF_NO_BINDING,
    Row,
    failed_rows,
    headline,
    note_rows,
    right_rows,
    sections,
    summary,
)
from irsa_cli.diff.output import Diff

# GitHub takes 65,536 characters; the rest is for a marker, by which a workflow finds its comment again.
LONGEST = 65_000
# With more sections than these, each is closed until the reader opens it.
OPEN_SECTIONS = 5
LONGEST_LINE = 5_000
LEAST_ROOM = 500


def markdown(diff: Diff, command: str) -> str:
    """Return a diff as Markdown that GitHub takes; what is left out is counted, and the command shows it."""
    parts = headline(diff)
    lines = [
        f"### irsa diff: stack {code(named(diff.stack))}",
        "",
        *_block(failed_rows(diff), LONGEST // 10, command),
        "; ".join(f"**{name}:** {those if those == NOBODY else code(those)}" for name, those in parts),
        "",
    ]
    end = ["", code(" ".join(summary(diff).pieces)), ""]
    # For the sentences about what does not fit.
    room = LONGEST - _length([*lines, *end]) - 2_000
    notes = _block(note_rows(diff), room // 4, command)
    rights = _block(right_rows(diff), room // 2, command)
    room -= _length([*notes, *rights])
    every = list(sections(diff))
    found: list[str] = []
    left = 0
    for heading, rows in every:
        section = (
            _section(heading or OF_NO_BINDING, rows, room, command, len(every) <= OPEN_SECTIONS) if not left else []
        )
        left += not section
        room -= _length(section)
        found += section
    if left:
        found += [f"**{left:,} of {len(every):,} sections are not shown**: {code(command)} shows them.", ""]
    return "\n".join([*lines, *rights, *found, *notes, *end])


def _section(heading: str, rows: Sequence[Row], room: int, command: str, is_open: bool) -> list[str]:
    """Return a section as lines; none where not even its beginning fits."""
    opened = " open" if is_open else ""
    start = [f"<details{opened}><summary><code>{html.escape(visible(heading))}</code></summary>", ""]
    room -= _length([*start, "</details>", ""])
    return [*start, *_block(rows, room, command), "</details>", ""] if room >= LEAST_ROOM else []


def _block(rows: Iterable[Row], room: int, command: str) -> list[str]:
    """Return rows as a code block; where they do not all fit, with the number of those that do not."""
    lines = [
        line if (cut := len(line) - LONGEST_LINE) <= 0 else f"{line[:LONGEST_LINE]}... ({cut:,} more characters)"
        for row in rows
        for line in row.lines
    ]
    if not lines:
        return []
    fence = "`" * (max(map(len, re.findall("`{3,}", "\n".join(lines))), default=2) + 1)
    more = f"more lines are not shown**: {code(command)} shows them."
    room -= 2 * len(fence) + len(more) + 40
    fitting = sum(taken <= room for taken in itertools.accumulate(len(line) + 1 for line in lines))
    block = [f"{fence}diff", *lines[:fitting], fence, ""]
    return block if fitting == len(lines) else [*block, f"**{len(lines) - fitting:,} {more}", ""]


def _length(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def code(text: str) -> str:
    """Return a text of one line as a code span, whatever backticks it has."""
    escaped = visible(text) or " "
    fence = "`" * (max(map(len, re.findall("`+", escaped)), default=0) + 1)
    pad = " " if escaped[0] in "` " or escaped[-1] in "` " else ""
    return f"{fence}{pad}{escaped}{pad}{fence}"
