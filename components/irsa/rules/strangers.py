"""Names that nobody has chosen: what patterns match of them, they match of all that nobody thought of.

Every namespace and service account, and most resources, may have names of 8 to 20 lower-case letters
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/). Patterns that match all of these here count
as wide as `*`, however they are spelled: `team-a:?*`, or `a*:*` to `z*:*` together.
"""

import itertools
from collections.abc import Collection
from fnmatch import fnmatchcase

# No two have a letter in common, so that a pattern with a word in it matches one of them at most.
STRANGERS = ("qjxkqxjk", "vwbgvybwgy", "fpmdufmpduf", "hclrnhlcrnhlcn", "zaioesztiaeoszt")


def stranger(subjects: Collection[str], namespace: str | None = None) -> str | None:
    """Return a service account that none of the patterns matches, as `namespace:name`; None where there is none.

    Args:
        subjects: `namespace:name` patterns, with the wildcards `*` and `?`.
        namespace: Its namespace, where it may be in no other one.
    """
    patterns = [each.replace("[", "[[]") for each in subjects]
    pairs = itertools.product([namespace] if namespace is not None else STRANGERS, STRANGERS)
    several = (f"{in_namespace}:{name}" for in_namespace, name in pairs)
    return next((each for each in several if not any(fnmatchcase(each, pattern) for pattern in patterns)), None)
