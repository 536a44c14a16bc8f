"""Text in lines of 80 columns, in which no name is broken."""

import re
import unicodedata
from collections.abc import Iterator

WIDTH = 80
# A name is one word, or is in quotes: `named` and `shortened` of irsa.rules.mistakes.
WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*'|\S)+""")


def wrapped(text: str, first: str = "", following: str = "") -> Iterator[str]:
    """Yield a text as lines of at most 80 columns; only a name that is longer has a longer line, with its label alone.

    Args:
        text: The text, in which names are quoted as `named` does.
        first: What the first line begins with, such as a label.
        following: Spaces before the other lines; fewer where a name needs the room.
    """
    line = first
    for number, word in enumerate(WORD.findall(text)):
        longer = f"{line} {word}" if number else line + word
        # A name that is too long for any line stays beside its label.
        if columns(longer) > WIDTH and (number or columns(word) <= WIDTH):
            if line.strip():
                yield line.rstrip()
            longer = _indented(word, following)
        line = longer
    yield line.rstrip()


def _indented(word: str, indent: str) -> str:
    room = WIDTH - columns(word)
    return f"{indent[:room] if room >= 0 else indent}{word}"


def columns(text: str) -> int:
    """Return how many columns a text takes on a terminal: a wide character two, a combining one none.

    Source: https://www.unicode.org/reports/tr11/
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
