"""Names in a stack file and beside it: plain, short enough, and each once."""

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence

from irsa.rules.names import RULES

LONGEST_KEY = RULES["key"].longest
DIGEST = 8


def digest(text: str) -> str:
    """Return a few characters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def unique_key(names: Sequence[str], identity: str, is_used: Callable[[str], bool]) -> str:
    """Return the first name that is free and short enough; else the first, with a digest of what it stands for.

    A hyphen stands for each character that a key cannot have.
    """
    keys = [re.sub(r"[^\w+=,.-]", "-", each, flags=re.ASCII) for each in names]
    for key in keys:
        if not is_used(key) and 0 < len(key) <= LONGEST_KEY:
            return key
    identities = itertools.chain([identity], (f"{identity} {number}" for number in itertools.count(2)))
    shortened = (f"{keys[0][: LONGEST_KEY - DIGEST - 1]}-{digest(each)}" for each in identities)
    return next(key for key in shortened if not is_used(key))
