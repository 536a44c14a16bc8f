"""Policy documents of a stack file, inline or in files: reads them and checks them against IAM's grammar."""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from config.located_mistake import LocatedMistake, Place
from config.stack_file import LOADER, line_in, reason_not_to_use
from config.variables import SECRET, CheckVariables, fill
from irsa.rules.grammar import (
    condition_mistakes,
    document_mistakes,
    partition_mistakes,
    sid_mistakes,
    statement_mistakes,
)
from irsa.rules.mistakes import Located, Mistake, shown
from irsa.rules.policies import parse_object, split_document


class PolicySources:
    """The policy documents of one stack file; each policy file is read once, and its mistakes are reported once.

    File paths are relative to the folder, which is that of Pulumi.yaml.

    Attributes:
        mistakes: The mistakes in the documents and their files.
        not_checked: Places of documents that contain a secret.
        unusable_bindings: Keys of the bindings with a mistake or a secret in a document.
    """

    def __init__(self, folder: Path, variables: CheckVariables) -> None:
        self._folder, self._variables = folder, variables
        self._files: dict[str, tuple[str, dict[str, Any]]] = {}
        self._checked_files: set[str] = set()
        self._files_with_mistakes: set[str] = set()
        self._file_of: dict[Place, str] = {}
        self._parts: dict[Place | str, int] = {}
        self.mistakes: list[LocatedMistake] = []
        self.not_checked: list[Place] = []
        self.unusable_bindings: set[str] = set()

    def with_documents(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the bindings with each policy file as an inline document."""
        return {
            key: self._with_documents(("bindings", key), binding) if isinstance(binding, dict) else binding
            for key, binding in bindings.items()
        }

    def with_samples(self, document: Any) -> Any:
        """Return a document without mistakes, its variables replaced by sample values."""
        return fill(document, self._variables.values)

    def parts(self, source: Place, document: Any) -> int:
        """Return the number of managed policies into which a document is split.

        Raises:
            Mistake: One statement alone is too long.
        """
        key = self._file_of.get(source, source)
        if key not in self._parts:
            self._parts[key] = len(split_document(self.with_samples(document)))
        return self._parts[key]

    def locate(self, source: Place, part: Place, mistake: Mistake, rule: str = "mistake") -> LocatedMistake:
        """Return a mistake in a document with its place in the policy file, or in the stack file."""
        name = self._file_of.get(source)
        if name is None:
            return LocatedMistake((*source, "document", *part), mistake, rule=rule)
        return LocatedMistake((*source, "file"), mistake, name, _line_of(self._files[name][0], part), part, rule)

    def _with_documents(self, place: Place, binding: dict[str, Any]) -> dict[str, Any]:
        complete = dict(binding)
        if "policy" in binding:
            complete["policy"] = self._with_document((*place, "policy"), binding["policy"], split=True)
        inline = binding.get("inlinePolicies")
        if isinstance(inline, dict):
            complete["inlinePolicies"] = {
                name: self._with_document((*place, "inlinePolicies", name), source) for name, source in inline.items()
            }
        self._check_trust((*place, "trust"), binding.get("trust"))
        return complete

    def _with_document(self, place: Place, source: Any, split: bool = False) -> Any:
        if not isinstance(source, dict):
            return source
        name = source.get("file")
        if "document" in source or not isinstance(name, str):
            document = source.get("document")
            if isinstance(document, dict):
                self._check(place, document, split)
            return source
        if name not in self._files and not self._open(place, name):
            self.unusable_bindings.add(str(place[1]))
            return source
        document = self._files[name][1]
        self._file_of[place] = name
        if name not in self._checked_files:
            self._checked_files.add(name)
            if not self._check(place, document, split):
                self._files_with_mistakes.add(name)
        if name in self._files_with_mistakes:
            self.unusable_bindings.add(str(place[1]))
        return {**source, "document": document}

    def _open(self, place: Place, name: str) -> bool:
        """Read a file, and return whether it could be read. A missing file is a mistake on the line that names it."""
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
            if name not in self._checked_files:
                self.mistakes.append(LocatedMistake((*place, "file"), mistake, name, line))
            self._checked_files.add(name)
            return False
        return True

    def _check(self, source: Place, document: dict[str, Any], split: bool) -> bool:
        """Check a document, and return whether it has neither a mistake nor a secret."""
        if self._holds_secret(source, document):
            return False
        found = [*_unknown_variables(document, self._variables.values)]
        checkable = document if found else self.with_samples(document)
        found += document_mistakes(checkable)
        if self._variables.partition:
            found += partition_mistakes(checkable, self._variables.partition)
        if split and not found:
            try:
                self._parts[self._file_of.get(source, source)] = len(split_document(checkable))
            except Mistake as mistake:
                found = [(("Statement",), mistake)]
        self.mistakes += [self.locate(source, part, mistake) for part, mistake in found]
        if found:
            self.unusable_bindings.add(str(source[1]))
        return not found

    def _check_trust(self, place: Place, trust: Any) -> None:
        if not isinstance(trust, dict):
            return
        conditions, statements = trust.get("conditions"), trust.get("statements")
        if isinstance(conditions, dict):
            self._check_trust_part((*place, "conditions"), conditions, condition_mistakes)
        if isinstance(statements, list):
            for index, statement in enumerate(statements):
                if isinstance(statement, dict):
                    here = (*place, "statements", index)
                    self._check_trust_part(here, statement, partial(statement_mistakes, trust=True))
            found = sid_mistakes(statements, (*place, "statements"))
            self.mistakes += [LocatedMistake(here, mistake) for here, mistake in found]

    def _check_trust_part(self, place: Place, part: Any, mistakes_in: Callable[[Any], Iterable[Located]]) -> None:
        if not self._holds_secret(place, part):
            found = [*_unknown_variables(part, self._variables.values)]
            found += mistakes_in(part if found else self.with_samples(part))
            self.mistakes += [LocatedMistake((*place, *inner), mistake) for inner, mistake in found]

    def _holds_secret(self, place: Place, value: Any) -> bool:
        """Return whether a value contains a secret, and so cannot be checked; if so, record its place."""
        if self._variables.are_readable(value) and not _has_secret(value):
            return False
        self.not_checked.append(place)
        self.unusable_bindings.add(str(place[1]))
        return True


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_secret, value.values()))
    return any(map(_has_secret, value)) if isinstance(value, list) else value is SECRET


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
        fix = f"did you mean {close[0]!r}?" if close else "create it"
        raise Mistake(f"no file {shown(name)}", "a JSON file, relative to the folder of Pulumi.yaml", fix) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Mistake(f"cannot read {shown(name)}: {reason}", "a JSON file in UTF-8", "check the file") from None


def _document_of(text: str) -> dict[str, Any]:
    document = parse_object(text)
    reason = reason_not_to_use(document)
    if reason:
        raise Mistake(reason, "an IAM policy document in JSON", "check the file")
    return document


def _line_of(text: str, part: Place) -> int | None:
    """Return the line of a place in JSON, which YAML's parser reads too."""
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
