"""Policy documents of a stack file: read, filled in, and held against IAM's grammar."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.places import LocatedMistake, Place
from config.stack_file import LOADER, line_in, unfit
from config.variables import Unseen, fill, references
from irsa.rules.grammar import condition_mistakes, document_mistakes, partition_mistakes, statement_mistakes
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import parse_object, split_document


class Documents:
    """The documents of one stack file; a policy's file is read once, and its own mistakes are told once.

    Attributes:
        mistakes: What is wrong with the documents and their files.
        unseen: Places of documents that hold a secret, and so were not looked at.
        unsound: Keys of the bindings that have one of either.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], partition: str | None) -> None:
        """Take the folder of Pulumi.yaml, the variables and the partition of the accounts, where that is known."""
        self._folder, self._variables, self._partition = folder, variables, partition
        self._files: dict[str, tuple[str, dict[str, Any]]] = {}
        self._examined: set[str] = set()
        self._refused: set[str] = set()
        self._read: dict[Place, str] = {}
        self._parts: dict[Place | str, int] = {}
        self.mistakes: list[LocatedMistake] = []
        self.unseen: list[Place] = []
        self.unsound: set[str] = set()

    def expand(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Give the bindings with the file of each policy read into its document."""
        return {
            key: self._expand(("bindings", key), binding) if isinstance(binding, dict) else binding
            for key, binding in bindings.items()
        }

    def filled(self, document: Any) -> Any:
        """Give a document without mistakes, its variables filled in."""
        return fill(document, self._variables)

    def parts(self, source: Place, document: Any) -> int:
        """Return how many managed policies a document becomes.

        Raises:
            Mistake: One statement alone is too long.
        """
        key = self._read.get(source, source)
        if key not in self._parts:
            self._parts[key] = len(split_document(self.filled(document)))
        return self._parts[key]

    def locate(self, source: Place, part: Place, mistake: Mistake, rule: str = "mistake") -> LocatedMistake:
        """Give a mistake in a document with its place: in the policy's file, or in the stack file."""
        name = self._read.get(source)
        if name is None:
            return LocatedMistake((*source, "document", *part), mistake, rule=rule)
        return LocatedMistake((*source, "file"), mistake, name, _line_of(self._files[name][0], part), part, rule)

    def _expand(self, place: Place, binding: dict[str, Any]) -> dict[str, Any]:
        expanded = dict(binding)
        if "policy" in binding:
            expanded["policy"] = self._source((*place, "policy"), binding["policy"], split=True)
        inline = binding.get("inlinePolicies")
        if isinstance(inline, dict):
            expanded["inlinePolicies"] = {
                name: self._source((*place, "inlinePolicies", name), source) for name, source in inline.items()
            }
        self._trust((*place, "trust"), binding.get("trust"))
        return expanded

    def _source(self, place: Place, source: Any, split: bool = False) -> Any:
        if not isinstance(source, dict):
            return source
        name = source.get("file")
        if "document" in source or not isinstance(name, str) or isinstance(name, Unseen):
            document = source.get("document")
            if isinstance(document, dict):
                self._examine(place, document, split)
            return source
        opened = name in self._files or self._open(place, name)
        if not opened:
            self.unsound.add(str(place[1]))
            return source
        document = self._files[name][1]
        self._read[place] = name
        if name not in self._examined:
            self._examined.add(name)
            if not self._examine(place, document, split):
                self._refused.add(name)
        if name in self._refused:
            self.unsound.add(str(place[1]))
        return {**source, "document": document}

    def _open(self, place: Place, name: str) -> bool:
        """Read a file; one that is not there is told on the line that names it, what is wrong in it where it is."""
        try:
            text = _text_of(self._folder / name, name)
        except Mistake as mistake:
            self.mistakes.append(LocatedMistake((*place, "file"), mistake))
            return False
        try:
            self._files[name] = (text, _document_of(text))
        except Mistake as mistake:
            cause = mistake.__cause__
            line = cause.lineno if isinstance(cause, json.JSONDecodeError) else _line_of_repeated(text) or 1
            if name not in self._examined:
                self.mistakes.append(LocatedMistake((*place, "file"), mistake, name, line))
            self._examined.add(name)
            return False
        return True

    def _examine(self, source: Place, document: dict[str, Any], split: bool) -> bool:
        """Tell whether the document was looked at and is good."""
        if self._holds_secret(document):
            self.unseen.append(source)
            self.unsound.add(str(source[1]))
            return False
        found = [*_unknown_variables(document, self._variables)]
        filled = document if found else fill(document, self._variables)
        found += document_mistakes(filled)
        if self._partition:
            found += partition_mistakes(filled, self._partition)
        if split and not found:
            try:
                self._parts[self._read.get(source, source)] = len(split_document(filled))
            except Mistake as mistake:
                found = [(("Statement",), mistake)]
        self.mistakes += [self.locate(source, part, mistake) for part, mistake in found]
        if found:
            self.unsound.add(str(source[1]))
        return not found

    def _trust(self, place: Place, trust: Any) -> None:
        if not isinstance(trust, dict):
            return
        conditions, statements = trust.get("conditions"), trust.get("statements")
        if isinstance(conditions, dict):
            self._trust_part((*place, "conditions"), conditions, condition_mistakes(conditions))
        for index, statement in enumerate(statements if isinstance(statements, list) else ()):
            if isinstance(statement, dict):
                here = (*place, "statements", index)
                self._trust_part(here, statement, statement_mistakes(statement, trust=True))

    def _trust_part(self, place: Place, part: Any, found: Iterator[tuple[Place, Mistake]]) -> None:
        if self._holds_secret(part):
            self.unseen.append(place)
            return
        every = [*_unknown_variables(part, self._variables), *found]
        self.mistakes += [LocatedMistake((*place, *inner), mistake) for inner, mistake in every]

    def _holds_secret(self, value: Any) -> bool:
        return any(isinstance(self._variables.get(name), Unseen) for name in references(value)) or _has_unseen(value)


def _has_unseen(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_unseen, value.values()))
    return any(map(_has_unseen, value)) if isinstance(value, list) else isinstance(value, Unseen)


def _unknown_variables(value: Any, variables: Mapping[str, str], part: Place = ()) -> Iterator[tuple[Place, Mistake]]:
    if isinstance(value, str):
        try:
            fill(value, variables)
        except Mistake as mistake:
            yield part, mistake
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown_variables(key, variables, (*part, key))
            yield from _unknown_variables(item, variables, (*part, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_variables(item, variables, (*part, index))


def _text_of(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = [path.name for path in file.parent.glob("*")] if file.parent.is_dir() else []
        close = difflib.get_close_matches(file.name, near, n=1)
        fix = f"did you mean {close[0]!r}?" if close else f"create {name}"
        raise Mistake(f"no file {name}", "a JSON file, relative to the folder of Pulumi.yaml", fix) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Mistake(f"cannot read {name}: {reason}", "a JSON file in UTF-8", "look at the file") from None


def _document_of(text: str) -> dict[str, Any]:
    document = parse_object(text)
    reason = unfit(document)
    if reason:
        raise Mistake(reason, "an IAM policy document in JSON", "look at the file")
    return document


def _line_of(text: str, part: Place) -> int | None:
    """Give the line of a place in JSON, which YAML's parser reads too."""
    try:
        return line_in(yaml.compose(text, Loader=LOADER), part)
    except (yaml.YAMLError, RecursionError):
        return None


def _line_of_repeated(text: str) -> int | None:
    try:
        nodes = [yaml.compose(text, Loader=LOADER)]
    except (yaml.YAMLError, RecursionError):
        return None
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, yaml.SequenceNode):
            nodes = [*node.value, *nodes]
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, _ in node.value:
                if key.value in names:
                    return int(key.start_mark.line) + 1
                names.add(key.value)
            nodes = [*(value for _, value in node.value), *nodes]
    return None
