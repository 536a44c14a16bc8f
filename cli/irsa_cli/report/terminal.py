"""Reports on a terminal, in color. Only this module imports rich."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from irsa.rules.mistakes import visible
from irsa_cli.report.cells import cell_lines, column_widths
from irsa_cli.report.checks import ALLOWED, UNANSWERED, Outcome, Report
from irsa_cli.report.message import DO, INDENT, Message
from irsa_cli.report.text import messages, summary
from irsa_cli.report.wrapped import columns, wrapped

COLORS: dict[str, str] = {
    Outcome.OK: "green",
    Outcome.FINDING: "bold red",
    **dict.fromkeys(UNANSWERED, "yellow"),
    **dict.fromkeys(ALLOWED, "dim"),
}
GAP = "  "


def show(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a report as a table, then each failure."""
    show_table(headings, rows)
    show_message(Message(""), "")
    for message, outcome in messages(report):
        show_message(message, COLORS[outcome])
    show_message(Message(summary(report, rows)), "bold")


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table within the terminal's width: cells fold, and long names are shortened in the middle."""
    console = Console(highlight=False)
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = column_widths(table, console.width - len(GAP) * (len(headings) - 1))
    for row in table:
        folded = [cell_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
        styles = ["bold" if row is headings else COLORS.get(cell, "") for cell in row]
        for cells in itertools.zip_longest(*folded, fillvalue=""):
            padded = (cell + " " * (width - columns(cell)) for cell, width in zip(cells, widths, strict=True))
            text = Text(GAP).join(map(Text, padded, styles))
            text.rstrip()
            console.print(text, soft_wrap=True)


def show_message(message: Message, style: str) -> None:
    """Print a message, its heading in this style, within the terminal's width."""
    console = Console(highlight=False)
    for part, label, text in message.lines(console.width):
        color = ("green" if part == DO else "") if part else style
        console.print(Text.assemble((label, "dim"), (text, color)), soft_wrap=True)


def show_lines(lines: Iterable[tuple[str, str]], stream: TextIO | None = None) -> None:
    """Print lines of text, each in its style; one without a style may be a command, and stays one line."""
    console = Console(file=stream, highlight=False)
    for text, style in lines:
        indent = " " * (len(text) - len(text.lstrip(" ")))
        for line in wrapped(text.strip(" "), indent, indent + INDENT, console.width) if style else [text]:
            console.print(Text(line, style=style), soft_wrap=True)
