"""Text in lines of 80 columns, in which no name is broken."""

import re
import textwrap
from collections.abc import Iterator

WIDTH = 80
# A name is one word, or is in quotes: `named` and `shortened` of irsa.rules.mistakes.
QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*'""")
# No text that is shown has this space: `visible` of irsa.rules.mistakes.
NO_BREAK = "\N{NO-BREAK SPACE}"


def wrapped(text: str, first: str = "", following: str = "", width: int = WIDTH) -> Iterator[str]:
    """Yield a text as lines of at most this width; only a longer name has a longer line.

    Args:
        text: The text, in which names are quoted as `named` does.
        first: What the first line begins with, such as a label.
        following: Spaces before the other lines.
        width: The most columns of a line.
    """
    whole = QUOTED.sub(lambda name: name[0].replace(" ", NO_BREAK), text)
    folding = textwrap.TextWrapper(
        width, first, following, break_long_words=False, break_on_hyphens=False, expand_tabs=False
    )
    for line in folding.wrap(whole) or [first]:
        yield line.replace(NO_BREAK, " ").rstrip()
