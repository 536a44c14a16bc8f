"""Text in lines of 80 columns, in which no name is broken."""

import re
from collections.abc import Iterator

WIDTH = 80
# A name is one word, or is in quotes: `named` and `shortened` of irsa.rules.mistakes.
WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*'|\S)+""")


def wrapped(text: str, first: str = "", following: str = "", width: float = WIDTH) -> Iterator[str]:
    """Yield a text as lines of at most this width, as it is where it fits; only a longer name has a longer line.

    Args:
        text: The text, in which names are quoted as `named` does.
        first: What the first line begins with, such as a label.
        following: Spaces before the other lines; fewer where a name needs the room.
        width: The most columns of a line.
    """
    if columns(first + text) <= width:
        yield (first + text).rstrip()
        return
    line = first
    for number, word in enumerate(WORD.findall(text)):
        longer = f"{line} {word}" if number else line + word
        # A name that is too long for any line stays beside its label.
        if columns(longer) > width and (number or columns(word) <= width):
            if line.strip():
                yield line.rstrip()
            room = width - columns(word)
            longer = (following[: int(room)] if 0 <= room < len(following) else following) + word
        line = longer
    yield line.rstrip()


def columns(text: str) -> int:
    """Return how many columns a text takes on a terminal: a wide character two, a combining one none.

    Which are wide changes with Unicode: rich knows later versions than Python's unicodedata.
    Source: https://www.unicode.org/reports/tr11/
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 (most text is ASCII, and a pipe needs nothing else of rich)

    return cell_len(text)
