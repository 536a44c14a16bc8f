"""Keys of a stack file: plain, short enough, and each once."""

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence

from irsa.rules.names import RULES

LONGEST_KEY = RULES["key"].longest
DIGEST = 8


def unique_key(names: Sequence[str], identity: str, is_used: Callable[[str], bool]) -> str:
    """Return the first name that is free and short enough; else the first, with a digest of what it stands for.

    A hyphen stands for each character that a key cannot have.
    """
    keys = [re.sub(r"[^\w+=,.-]", "-", each, flags=re.ASCII) for each in names]
    for key in keys:
        if not is_used(key) and 0 < len(key) <= LONGEST_KEY:
            return key
    identities = itertools.chain([identity], (f"{identity} {number}" for number in itertools.count(2)))
    digests = (hashlib.sha256(each.encode()).hexdigest()[:DIGEST] for each in identities)
    shortened = (f"{keys[0][: LONGEST_KEY - DIGEST - 1]}-{each}" for each in digests)
    return next(key for key in shortened if not is_used(key))
