"""Cells of a table for a terminal of some width: their lines end between words, so that every name stays whole."""

from collections.abc import Sequence

from rich.cells import cell_len

from irsa_cli.report.wrapped import WORD


def lines_of(text: str, width: int) -> list[str]:
    """Return a text as lines of at most this width; a longer word is a line of its own."""
    if cell_len(text) <= width:
        return [text]
    lines = [""]
    for word in WORD.findall(text):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def column_widths(table: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the widths of a table's columns, which are this wide together at most; None where a word is too long."""
    columns = list(zip(*table, strict=True))
    least = [max(cell_len(word) for cell in column for word in WORD.findall(cell) or [""]) for column in columns]
    if sum(least) > width:
        return None
    widths = [max(map(cell_len, column)) for column in columns]
    while sum(widths) > width:
        widest = max(range(len(widths)), key=lambda index: (widths[index] > least[index], widths[index]))
        widths[widest] -= 1
    return widths
