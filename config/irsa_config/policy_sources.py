"""Policy documents of a stack file, inline or in files: reads the files, and finds the lines of mistakes in them."""

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from irsa.rules.mistakes import Mistake, Place, likely, shortened
from irsa.rules.policies import parse_object
from irsa.rules.unknown import WRONG
from irsa_config.located_mistake import LocatedMistake
from irsa_config.nodes import LOADER, NodeReader, line_in, read_at_most
from irsa_config.scalars import reason_not_to_use

FILE = "a JSON file below the folder of Pulumi.yaml, of at most 1 MiB"
FILE_OF_A_TEAM = FILE.replace("Pulumi.yaml", "the team's file")
LARGEST = 2**20


class PolicySources:
    """The policy documents of one stack file; each policy file is read once, and its mistakes are reported once.

    File paths are relative to the folder, which is that of Pulumi.yaml; in a team's binding, to its file's.

    Attributes:
        mistakes: Why files cannot be read, or are not JSON.
    """

    def __init__(self, folder: Path, of_teams: Mapping[str, Path] = MappingProxyType({})) -> None:
        self._folder, self._of_teams = folder, of_teams
        # By name: the text of a file and its document; None where it can't be used.
        self._files: dict[str, tuple[str, dict[str, Any]] | None] = {}
        self._nodes: dict[str, Any] = {}
        self._file_of: dict[Place, str] = {}
        self.mistakes: list[LocatedMistake] = []

    def with_documents(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the bindings with each policy file as an inline document, or a marker where it can't be read."""
        return {
            key: self._with_documents(("bindings", key), binding) if isinstance(binding, dict) else binding
            for key, binding in bindings.items()
        }

    def in_file(self, mistake: LocatedMistake) -> LocatedMistake:
        """Return a mistake within a document with its place in the policy file, if that has the document."""
        depth = 4 if mistake.place[2:3] == ("policy",) else 5  # podIdentity.policy, inlinePolicies.NAME
        source, part = mistake.place[: depth - 1], mistake.place[depth:]
        name = self._file_of.get(source) if mistake.place[depth - 1 : depth] == ("document",) else None
        file = self._files[name] if name is not None else None
        if name is None or file is None:
            return mistake
        if name not in self._nodes:
            self._nodes[name] = _node_of(file[0])
        return mistake._replace(place=(*source, "file"), file=name, line=line_in(self._nodes[name], part), within=part)

    def _with_documents(self, place: Place, binding: dict[str, Any]) -> dict[str, Any]:
        complete = dict(binding)
        if "policy" in binding:
            complete["policy"] = self._with_document((*place, "policy"), binding["policy"])
        pod_identity = binding.get("podIdentity")
        if isinstance(pod_identity, dict) and "policy" in pod_identity:
            session = self._with_document((*place, "podIdentity", "policy"), pod_identity["policy"])
            complete["podIdentity"] = {**pod_identity, "policy": session}
        inline = binding.get("inlinePolicies")
        if isinstance(inline, dict):
            complete["inlinePolicies"] = {
                name: self._with_document((*place, "inlinePolicies", name), source) for name, source in inline.items()
            }
        return complete

    def _with_document(self, place: Place, source: Any) -> Any:
        if not isinstance(source, dict) or {"document", "addOn"} & source.keys():
            return source
        name = source.get("file")
        if not isinstance(name, str):
            return {**source, "document": WRONG}
        folder = self._of_teams.get(str(place[1]), self._folder)
        known = name if folder is self._folder else os.path.relpath(folder / name, os.path.realpath(self._folder))
        if self._files.get(known) is None:
            self._open(place, folder, name, known)
        file = self._files.get(known)
        self._file_of[place] = known
        return {**source, "document": file[1] if file else WRONG}

    def _open(self, place: Place, folder: Path, name: str, known: str) -> None:
        """Read a file. A missing file is a mistake on each line that names it; what is wrong in one, is one mistake."""
        try:
            text = _text_of(folder, name, FILE if folder is self._folder else FILE_OF_A_TEAM)
        except Mistake as mistake:
            self.mistakes.append(LocatedMistake((*place, "file"), mistake))
            return
        if known in self._files:
            return
        try:
            self._files[known] = (text, _document_of(text))
        except Mistake as mistake:
            self._files[known] = None
            cause = mistake.__cause__
            line = cause.lineno if isinstance(cause, json.JSONDecodeError) else _line_of_repeated(text) or 1
            self.mistakes.append(LocatedMistake((*place, "file"), mistake, known, line))


def _text_of(folder: Path, name: str, allowed: str) -> str:
    try:
        return _content_of(folder, name, allowed).decode()
    except Mistake:
        raise
    except FileNotFoundError:
        close = _near(folder, folder / name)
        fix = f"did you mean {close!r}?" if close else "create it, with an IAM policy in JSON"
        raise Mistake(f"no file {shortened(name)}", allowed, fix) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Mistake(
            f"cannot read {shortened(name)}: {reason}", allowed, "make it a readable file in UTF-8, or name another"
        ) from None


def _near(folder: Path, file: Path) -> str | None:
    """Return the file that is meant by a missing one: of a similar name beside it, or of its name in another folder."""
    everywhere = (*folder.glob("*.json"), *folder.glob("*/*.json"))
    named = [each for each in everywhere if each.stem.lower() == file.stem.lower()]
    real = {each: Path(os.path.realpath(each)) for each in (*named, *file.parent.glob("*.json"))}
    below = os.path.realpath(folder)
    # The ending, which all have, makes unrelated names similar.
    by_stem = {each.stem: each for each in real if real[each].is_relative_to(below) and real[each].is_file()}
    close = likely(file.stem, by_stem)
    return by_stem[close].relative_to(folder).as_posix() if close else None


def _content_of(folder: Path, name: str, allowed: str) -> bytes:
    """Return what is in a policy's file. Of what is outside of the folder nothing is read or reported.

    Raises:
        Mistake: It is outside, by its name or by a symbolic link; it is no regular file; it is too large.
        OSError, ValueError: It can't be read.
    """
    file = Path(os.path.realpath(folder / name))
    if Path(name).is_absolute() or not file.is_relative_to(os.path.realpath(folder)):
        raise Mistake(f"{shortened(name)}, which is not below that folder", allowed, "copy it there")
    if not stat.S_ISREG(file.stat().st_mode):
        raise Mistake(f"{shortened(name)}, which is not a regular file", allowed, "name the file itself")
    content = read_at_most(file, LARGEST)
    if content is None:
        raise Mistake(f"{shortened(name)}, a file of more than 1 MiB", allowed, "name the file of the policy")
    return content


def _document_of(text: str) -> dict[str, Any]:
    document = parse_object(text)
    if likely("Statement", document) is None:
        # Another file was named, whose contents are nobody's business here.
        found, allowed = "JSON that is not a policy document", 'an object with "Version" and "Statement"'
        raise Mistake(found, allowed, "name the file of the policy")
    reason = reason_not_to_use(document)
    if reason:
        raise Mistake(reason, "an IAM policy document in JSON", "write the whole policy document into the file")
    return document


def _node_of(text: str) -> Any:
    """Return the node of a JSON text, which YAML's parser reads too; None where it does not."""
    try:
        return yaml.compose(text, Loader=LOADER)
    except (yaml.YAMLError, RecursionError):
        return None


def _line_of_repeated(text: str) -> int | None:
    """Return the line of the first key that is there a second time."""
    found: list[LocatedMistake] = []
    with suppress(yaml.YAMLError, RecursionError):
        NodeReader("", found, is_ours=False).value(yaml.compose(text, Loader=LOADER))
    return found[0].line if found else None
