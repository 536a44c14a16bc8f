"""What stands for a value that becomes known only during the deployment."""

from enum import Enum
from typing import Final


class Unknown(Enum):
    """The type of UNKNOWN."""

    UNKNOWN = "a value that is known only during the deployment"


UNKNOWN: Final = Unknown.UNKNOWN
"""Stands in a value, at any depth, where an output is: the rules pass it over, and look again when it is known."""


def has_unknown(value: object) -> bool:
    """Return whether UNKNOWN stands in a value of lists and dicts, or is it."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    return any(map(has_unknown, value)) if isinstance(value, list) else value is UNKNOWN
