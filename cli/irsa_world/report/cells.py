"""The columns of a table for a terminal of some width: cells fold between names, and long names lose their middle."""

from collections.abc import Sequence

from irsa_world.wrapped import WORD, columns, wrapped


def column_widths(table: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the widths of a table's columns, which are this wide together at most."""
    every = list(zip(*table, strict=True))
    widths = [max(map(columns, column)) for column in every]
    shares = [min(whole, width // len(every)) for whole in widths]
    words = [max(columns(word) for cell in column for word in WORD.findall(cell) or [""]) for column in every]
    # Columns first fold between words, then names are shortened; no column is narrower than its share.
    for least in (list(map(max, words, shares)), shares):
        while sum(widths) > width and widths != least:
            widest = max(range(len(widths)), key=lambda index: (widths[index] > least[index], widths[index]))
            widths[widest] -= 1
    return widths


def cell_lines(cell: str, width: int) -> list[str]:
    """Return a cell as lines of at most this width."""
    return [*wrapped(WORD.sub(lambda word: _without_middle(word[0], width), cell), width=width)]


def _without_middle(word: str, width: int) -> str:
    """Return a name that has room in this many columns: its start and its end, where it is longer."""
    name = word.rstrip(",")
    short, kept = word, width - len("...") - (len(word) - len(name))
    while columns(short) > width and kept > 1:
        # Of a quoted name only the last quote: an escape that is cut in two could end the quotes before that.
        tail = name[-1] if "'" in name or '"' in name else name[len(name) - kept // 2 :]
        short = f"{name[: kept - len(tail)]}...{tail}{word[len(name) :]}"
        kept -= 1
    return short
