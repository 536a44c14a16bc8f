"""The placeholder for a value that is known only during the deployment."""

from enum import Enum
from typing import Final


class Unknown(Enum):
    """The type of UNKNOWN."""

    UNKNOWN = "a value that is known only during the deployment"


UNKNOWN: Final = Unknown.UNKNOWN
"""Takes the place of an output in a value, at any depth. The rules skip it, and check the value when it is known."""


def has_unknown(value: object) -> bool:
    """Return whether a value of lists and dicts is UNKNOWN, or contains it."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    return any(map(has_unknown, value)) if isinstance(value, list) else value is UNKNOWN
