"""The files of policy documents, beside the stack file: none that is there is overwritten."""

import json
from pathlib import Path

from irsa.rules.mistakes import named
from irsa_cli.adopt.names import digest
from irsa_cli.exits import CouldNotLookError

FOLDER = "policies"


class PolicyFiles:
    """The files below a folder, those that are going to be written included."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: dict[str, str] = {}

    def name(self, preferred: str, text: str) -> str:
        """Return the name for a document, relative to the folder: that of a file with the same document, or a new one.

        Raises:
            CouldNotLookError: A file cannot be read, or both names that would do are of other documents.
        """
        for each in (preferred, f"{preferred}-{digest(text)}"):
            name = f"{FOLDER}/{each}.json"
            # Some file systems ignore case.
            present = self._new.get(name.lower()) or self._read(name)
            if present is None or _is_same(present, text):
                self._new[name.lower()] = text
                return name
        raise CouldNotLookError(f"{named(name)} is there with another document: move it, or name another --output")

    def missing(self, name: str) -> bool:
        """Return whether there is no file of that name yet."""
        return self._read(name) is None

    def _read(self, name: str) -> str | None:
        path = self._folder / name
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
