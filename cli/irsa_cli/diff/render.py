"""A diff as lines of text, of at most 80 columns, and as Markdown for the comment of a pull request. Pure.

In Markdown, what others wrote stands in code spans and code blocks alone: GitHub reads neither Markdown nor HTML nor
mentions there. https://github.github.com/gfm/#code-spans, https://github.github.com/gfm/#fenced-code-blocks
"""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from irsa.rules.mistakes import and_more, named, visible
from irsa_cli.diff.rows import CANNOT_TELL, CERTAIN, NOBODY, Diff, Row
from irsa_world.state.preview import DELETE
from irsa_world.wrapped import WIDTH, wrapped

ADDED, REMOVED, CHANGED = "+", "-", "~"
SIGNS = {"gains": ADDED, "loses": REMOVED, DELETE: REMOVED}
COLORS = {ADDED: "green", REMOVED: "red", CHANGED: "yellow"}
# What the first line says: of each, the first row.
FIRST = (
    *("not compared", "dangerous", "may be dangerous", "gains", "loses", "may gain", "may lose", CANNOT_TELL),
    *("other principals", "permissions", "guard"),
)
LABELS = {"unread": "not compared", "principals": "other principals", "permission": "permissions", "guard": "guard"}
# These the sentence says.
UNSAID = {"gains", "loses", "permissions", ""}
# GitHub takes 65,536 characters; the rest is for headings, and a marker by which a workflow finds its comment again.
ROOM, LONGEST_LINE, LONGEST_PART = 55_000, 5_000, 400


class Line(NamedTuple):
    """A line of text, and its style."""

    text: str
    style: str


def _label(row: Row) -> str:
    if row.certainty == CANNOT_TELL and row.kind != "unread":
        return CANNOT_TELL
    if row.kind == "session":
        return row.change if row.certainty == CERTAIN else f"may {row.change.removesuffix('s')}"
    return row.change if row.kind == "resource" else LABELS.get(row.kind, "")


def _first(diff: Diff) -> str:
    """Return the first of each kind of change, and how many more there are."""
    parts: dict[str, list[str]] = {}
    for row in diff.rows:
        parts.setdefault(row.danger or _label(row), []).append(row.sentence)
    nobody = {"gains", "loses"} - {_label(row) for row in diff.rows}
    return "; ".join(
        f"{label}: {', '.join([_cut(those[0], LONGEST_PART), *and_more(len(those), 1)])}"
        for label in FIRST
        if (those := parts.get(label, [NOBODY] * (label in nobody)))
    )


def _row(row: Row) -> Iterator[Line]:
    sign = SIGNS.get(row.change, CHANGED) if row.certainty == CERTAIN else CHANGED
    label = _label(row)
    said = ": ".join(filter(None, (row.danger, "" if label in UNSAID else label, row.sentence)))
    for mark, text, indent in ((sign, said, ""), *_details(row, sign)):
        for line in wrapped(visible(text), indent, indent + "    ", WIDTH - 2):
            yield Line(f"{mark} {line}", COLORS.get(mark, ""))


def _details(row: Row, sign: str) -> Iterator[tuple[str, str, str]]:
    """Yield the sign, the text and the indent of each further line; those of a document have their own."""
    for each in row.details:
        text = each[1:].lstrip() if row.kind == "document" else each
        yield (each[0], text, " " * (len(each) + 1 - len(text))) if row.kind == "document" else (sign, text, "    ")


def no_command(line: str) -> str:
    """Return a line that GitHub's runner takes for no command: it takes `::`, also behind spaces, for one."""
    return re.sub(r"^(\s*):(?=:)", r"\1\\x3a", line)


def lines_of(diff: Diff) -> Iterator[Line]:
    """Yield the whole diff."""
    yield from (Line(no_command(text), style) for text, style in _lines_of(diff))


def _lines_of(diff: Diff) -> Iterator[Line]:
    yield from (Line(each, "bold") for each in wrapped(visible(_first(diff)), "", "    "))
    yield from (line for row in diff.rows for line in _row(row))
    yield Line("", "bold")
    yield from (Line(each, "bold") for each in wrapped(_summary(diff), "", "    "))


def _summary(diff: Diff) -> str:
    counts = [f"{count:,} {named(word)}" for word, count in diff.operations.items()] or ["no changes"]
    changed = ", ".join([*counts, f"{diff.unchanged:,} unchanged"])
    return f"stack {named(diff.stack)}: {changed} (each: pulumi preview --diff)"


def markdown(diff: Diff, command: str) -> str:
    """Return a diff as Markdown that GitHub takes; what is left out is counted, and the command shows it."""
    lines = [_cut(line.text, LONGEST_LINE) for row in diff.rows for line in _row(row)]
    fence = "`" * (max(map(len, re.findall("`{3,}", "\n".join(lines))), default=2) + 1)
    fitting = sum(taken <= ROOM for taken in itertools.accumulate(len(line) + 1 for line in lines))
    left = f"**{len(lines) - fitting:,} more lines are not shown**: {code(command)} shows them."
    block = [f"{fence}diff", *lines[:fitting], fence, "", *([left, ""] if fitting < len(lines) else [])]
    heading = [f"### irsa diff: stack {code(named(diff.stack))}", "", code(_first(diff)), ""]
    return "\n".join([*heading, *block, code(_summary(diff)), ""])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most:,} more characters)"


def code(text: str) -> str:
    """Return a text of one line as a code span, whatever backticks it has."""
    escaped = visible(text) or " "
    fence = "`" * (max(map(len, re.findall("`+", escaped)), default=0) + 1)
    pad = " " if escaped[0] in "` " or escaped[-1] in "` " else ""
    return f"{fence}{pad}{escaped}{pad}{fence}"
