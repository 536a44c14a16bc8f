"""The columns of a table for a terminal of some width, in which every name stays whole."""

from collections.abc import Sequence

from irsa_cli.report.wrapped import WORD, columns


def column_widths(table: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the widths of a table's columns, which are this wide together at most; None where a word is too long."""
    every = list(zip(*table, strict=True))
    least = [max(columns(word) for cell in column for word in WORD.findall(cell) or [""]) for column in every]
    if sum(least) > width:
        return None
    widths = [max(map(columns, column)) for column in every]
    while sum(widths) > width:
        widest = max(range(len(widths)), key=lambda index: (widths[index] > least[index], widths[index]))
        widths[widest] -= 1
    return widths
