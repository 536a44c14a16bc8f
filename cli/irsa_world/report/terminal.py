"""Reports on a terminal, in color. Only this module imports rich."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from irsa.rules.mistakes import visible
from irsa_world.message import DO, INDENT, Message
from irsa_world.report.cells import cell_lines, column_widths
from irsa_world.report.text import COLORS, Answer, arranged
from irsa_world.wrapped import columns, wrapped

GAP = "  "


def show(answers: Sequence[Answer]) -> None:
    """Print answers within the terminal's width."""
    console = Console(highlight=False)
    for line in arranged(
        answers,
        lambda message, style: message_lines(message, style, console.width),
        lambda headings, rows: table_lines(headings, rows, console.width),
    ):
        console.print(line, soft_wrap=True)


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> Iterator[Text]:
    """Yield a table as lines of at most this width: cells fold, and long names are shortened in the middle."""
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = column_widths(table, width - len(GAP) * (len(headings) - 1))
    for row in table:
        folded = [cell_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
        styles = ["bold" if row is headings else COLORS.get(cell, "") for cell in row]
        for cells in itertools.zip_longest(*folded, fillvalue=""):
            padded = (cell + " " * (width - columns(cell)) for cell, width in zip(cells, widths, strict=True))
            text = Text(GAP).join(map(Text, padded, styles))
            text.rstrip()
            yield text


def message_lines(message: Message, style: str, width: int) -> Iterator[Text]:
    """Yield a message as lines of at most this width, its heading in this style."""
    for part, label, text in message.lines(width):
        color = ("green" if part == DO else "") if part else style
        yield Text.assemble((label, "dim"), (text, color))


def show_lines(lines: Iterable[tuple[str, str]], stream: TextIO | None = None) -> None:
    """Print lines of text, each in its style; one without a style may be a command, and stays one line."""
    console = Console(file=stream, highlight=False)
    for text, style in lines:
        indent = " " * (len(text) - len(text.lstrip(" ")))
        for line in wrapped(text.strip(" "), indent, indent + INDENT, console.width) if style else [text]:
            console.print(Text(line, style=style), soft_wrap=True)
