"""Reports on a terminal, in color, each name whole. Only this module imports rich."""

import itertools
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from irsa.rules.mistakes import visible
from irsa_cli.report.cells import column_widths
from irsa_cli.report.checks import ALLOWED, UNANSWERED, WORST_FIRST, Outcome, Report
from irsa_cli.report.text import FIX, outcome_parts, summary
from irsa_cli.report.wrapped import columns, indented, lines_of

COLORS = {
    Outcome.OK: "green",
    Outcome.FINDING: "bold red",
    **dict.fromkeys(UNANSWERED, "yellow"),
    **dict.fromkeys(ALLOWED, "dim"),
}
INDENT, GAP = "    ", "  "


def show(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a report as a table, then each failure."""
    show_table(headings, rows)
    show_parts([""], "")
    for outcome in WORST_FIRST[:-1]:
        for parts in outcome_parts(report, outcome):
            show_parts(parts, COLORS[outcome])
    show_parts([summary(report)], "bold")


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose names are whole; where they do not fit, a block of lines for each row.

    A name in the first column that does not fit there has a line of its own, above the rest of its row.
    """
    console = Console(highlight=False)
    cells = [[visible(cell) for cell in row] for row in rows]
    room = console.width - len(GAP) * (len(headings) - 1)
    widths = column_widths([headings, *cells], room)
    if widths is None:
        widths = column_widths([headings, *(["", *row[1:]] for row in cells)], room)
        widths = widths and [widths[0] + room - sum(widths), *widths[1:]]
    if widths:
        _show_row(console, headings, widths, "bold")
        for row in cells:
            _show_row(console, row, widths)
        return
    label = max(map(len, headings)) + len(GAP)
    for row in cells:
        for heading, cell in zip(headings, row, strict=True):
            _show_labeled(console, Text(heading.ljust(label), style="bold"), cell, _style(cell))
        console.print()


def _show_row(console: Console, row: Sequence[str], widths: Sequence[int], style: str = "") -> None:
    cells = [lines_of(cell, width) for cell, width in zip(row, widths, strict=True)]
    if max(map(columns, cells[0])) > widths[0]:
        for line in lines_of(row[0], console.width):
            console.print(Text(line, style=style), soft_wrap=True)
        cells[0] = [""]
    styles = [style or _style(cell) for cell in row]
    for parts_of_line in itertools.zip_longest(*cells, fillvalue=""):
        parts = [
            (cell + " " * (width - columns(cell)), each)
            for cell, width, each in zip(parts_of_line, widths, styles, strict=True)
        ]
        text = Text(GAP).join(Text(*part) for part in parts)
        text.rstrip()
        console.print(text, soft_wrap=True)


def _style(cell: str) -> str:
    return COLORS[Outcome(cell)] if cell in list(Outcome) else ""


def show_labeled(label: str, text: str, style: str = "") -> None:
    """Print a text beside its label."""
    _show_labeled(Console(highlight=False), Text(label, style="dim"), text, style)


def _show_labeled(console: Console, label: Text, text: str, style: str) -> None:
    width = columns(label.plain)
    room = console.width - width
    lines = lines_of(text, room)
    if columns(lines[0]) > room:
        console.print(label[: len(label.plain.rstrip())])
    for number, line in enumerate(lines):
        # A name that does not fit beside the label has a line of its own, from its start.
        first = Text("") if columns(line) > room else Text(" " * width) if number else label
        console.print(Text.assemble(first, (line, style)), soft_wrap=True)


def show_parts(parts: Sequence[str], style: str) -> None:
    """Print the parts of a line, each on lines of its own; a command stays one line, to be copied."""
    console = Console(highlight=False)
    for number, part in enumerate(parts):
        indent = (len(INDENT) if number else 0) + len(part) - len(part.lstrip(" "))
        text, room = part.strip(" "), console.width - indent
        whole = part.startswith(FIX) or columns(text) <= room
        lines = [text] if whole else lines_of(text, room - len(INDENT))
        for line in lines:
            console.print(Text(indented(line, " " * indent, console.width), style=style), soft_wrap=True)
            indent += len(INDENT) if line is lines[0] else 0


def show_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines of text, each in its style; one without a style may be a command, and stays one line."""
    console = Console(highlight=False)
    for text, style in lines:
        if style:
            show_parts([text], style)
        else:
            console.print(Text(text), soft_wrap=True)
