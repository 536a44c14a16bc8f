"""Policy documents as a stack file has them: in itself or in files, and with no variable that irsa would replace."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irsa.rules.grammar import document_mistakes, partition_mistakes
from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import named, path_of
from irsa.rules.variables import literal
from irsa_cli.adopt.names import digest
from irsa_cli.exits import CouldNotLookError

DOLLAR = "dollar"
FOLDER = "policies"


class Documents:
    """The documents of one adoption, and what they add to the stack file.

    Attributes:
        variables: New variables, by which a `$` stays one.
        files: The text of new policy files, by their names relative to the stack file's folder.
    """

    def __init__(self, folder: Path | None, variables: Mapping[str, Any]) -> None:
        """Take the stack file's folder, None where documents stay in that file; and the variables that it has."""
        self._folder, self._present = folder, variables
        self._dollar = DOLLAR
        while variables.get(self._dollar, "$") != "$":
            self._dollar += "_"
        self.variables: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self._by_lower_case: dict[str, str] = {}

    def literal(self, value: Any) -> Any:
        """Return a value in which irsa replaces no variable."""
        found = literal(value, self._dollar)
        if found != map_leaves(value, lambda _, leaf: leaf) and self._dollar not in self._present:
            self.variables[self._dollar] = "$"
        return found

    def setting(self, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the setting that says what is in a policy: its document, or the name of its file.

        That is a file with the same document, or a new one: none that is there is overwritten.

        Raises:
            CouldNotLookError: A file cannot be read, or both names that would do are of other documents.
        """
        content = self.literal(document)
        if self._folder is None:
            return {"document": content}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for each in (name, f"{name}-{digest(text)}"):
            file = f"{FOLDER}/{each}.json"
            # Some file systems ignore case.
            present = self._by_lower_case.get(file.lower()) or _text_of(self._folder / file)
            if present is None:
                self.files[file] = self._by_lower_case[file.lower()] = text
            if present is None or _is_same(present, text):
                return {"file": file}
        raise CouldNotLookError(f"{named(file)} is there with another document: move it, or name another --output")


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotLookError(f"cannot read {named(str(path))}: {error}") from error


def _is_same(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def refused_in(document: Mapping[str, Any], partition: str) -> str:
    """Return what irsa refuses in the document of a policy; empty where it refuses nothing."""
    for place, mistake in (*document_mistakes(document), *partition_mistakes(document, partition)):
        return f"{path_of(place)}: {mistake.found}"
    return ""
