"""Keys of a stack file: plain, short enough, and each once."""

import itertools
import re
from collections.abc import Callable, Sequence

from irsa.rules.names import KEY

LONGEST_KEY = KEY.longest
SHORTENED = LONGEST_KEY - len("-9999")


def unique_key(names: Sequence[str], is_used: Callable[[str], bool]) -> str:
    """Return the first name that is free and short enough; else the first, as far as it fits, with a number.

    A hyphen stands for each character that a key cannot have.
    """
    keys = [re.sub(r"[^\w+=,.-]", "-", each, flags=re.ASCII) for each in names]
    keys = [each for each in keys if len(each) <= LONGEST_KEY] or [keys[0][:SHORTENED]]
    numbered = (f"{keys[0][:SHORTENED]}-{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain(keys, numbered) if not is_used(key))
