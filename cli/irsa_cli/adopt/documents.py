"""Policy documents as a stack file has them: with no variable that irsa would replace."""

from collections.abc import Mapping
from typing import Any

from irsa.rules.leaves import map_leaves
from irsa.rules.variables import literal


class Documents:
    """The documents of one adoption.

    Attributes:
        variables: New variables of the stack file, by which a `$` stays one.
    """

    def __init__(self, present: Mapping[str, Any]) -> None:
        """Take the variables that the stack file has."""
        self._present, self._dollar = present, "dollar"
        while present.get(self._dollar, "$") != "$":
            self._dollar += "_"
        self.variables: dict[str, str] = {}

    def literal(self, value: Any) -> Any:
        """Return a value in which irsa replaces no variable."""
        found = literal(value, self._dollar)
        if found != map_leaves(value, lambda _, leaf: leaf) and self._dollar not in self._present:
            self.variables[self._dollar] = "$"
        return found
