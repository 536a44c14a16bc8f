"""Policy documents as a stack file has them: in itself or in files, and with no variable that irsa would replace."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from irsa.rules.grammar import document_mistakes, partition_mistakes
from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import path_of
from irsa.rules.variables import literal

DOLLAR = "dollar"


class Documents:
    """The documents of one adoption, and what they add to the stack file.

    Attributes:
        variables: New variables, by which a `$` stays one.
        files: The text of policy files, by their names.
    """

    def __init__(self, file_name: Callable[[str, str], str] | None, variables: Mapping[str, Any]) -> None:
        """Take how files are named, None where documents stay in the stack file; and the variables that it has."""
        self._file_name, self._present = file_name, variables
        self._dollar = DOLLAR
        while variables.get(self._dollar, "$") != "$":
            self._dollar += "_"
        self.variables: dict[str, str] = {}
        self.files: dict[str, str] = {}

    def literal(self, value: Any) -> Any:
        """Return a value in which irsa replaces no variable."""
        found = literal(value, self._dollar)
        if found != map_leaves(value, lambda _, leaf: leaf) and self._dollar not in self._present:
            self.variables[self._dollar] = "$"
        return found

    def setting(self, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the setting that says what is in a policy: its document, or the name of its file."""
        content = self.literal(document)
        if self._file_name is None:
            return {"document": content}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        file = self._file_name(name, text)
        self.files[file] = text
        return {"file": file}


def refused_in(document: Mapping[str, Any], partition: str) -> str:
    """Return what irsa refuses in the document of a policy; empty where it refuses nothing."""
    for place, mistake in (*document_mistakes(document), *partition_mistakes(document, partition)):
        return f"{path_of(place)}: {mistake.found}"
    return ""
