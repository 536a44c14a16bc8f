"""Characters by which somebody's text would end a line of ours, drive a terminal, or hide what it says."""

import unicodedata
from collections.abc import Iterable

# Controls, formats (the bidirectional ones among them), separators of lines and paragraphs, half characters:
# https://www.unicode.org/reports/tr44/#General_Category_Values
HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def hidden_in(lines: Iterable[str]) -> list[str]:
    """Return the lines that hold such a character; each is taken as one line, without its end."""
    # What is printable has none of these, and is most of what is printed.
    return [
        line for line in lines if not line.isprintable() and any(unicodedata.category(each) in HIDDEN for each in line)
    ]
