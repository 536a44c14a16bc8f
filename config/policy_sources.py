"""Policy documents of a stack file, inline or in files: reads them and checks them against IAM's grammar."""

import difflib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from config.located_mistake import LocatedMistake
from config.nodes import LOADER, line_in, read_at_most
from config.scalars import reason_not_to_use
from config.variables import SECRET, CheckVariables, as_written, fill, variable_mistakes
from irsa.rules.grammar import (
    condition_mistakes,
    document_mistakes,
    partition_mistakes,
    sid_mistakes,
    statement_mistakes,
)
from irsa.rules.mistakes import Located, Mistake, Place, shortened
from irsa.rules.policies import parse_object, split_document
from irsa.rules.trust import check_conditions

FILE = "a JSON file below the folder of Pulumi.yaml, of at most 1 MiB"
LARGEST = 2**20


class PolicySources:
    """The policy documents of one stack file; each policy file is read once, and its mistakes are reported once.

    File paths are relative to the folder, which is that of Pulumi.yaml.

    Attributes:
        mistakes: The mistakes in the documents and their files.
        not_checked: Places of documents that contain a secret.
        remainders: What can still be linted of a document with a mistake or a secret, by the place of its policy.
        unusable_bindings: Keys of the bindings with a secret in a trust policy.
    """

    def __init__(self, folder: Path, variables: CheckVariables) -> None:
        self._folder, self._variables = folder, variables
        self._files: dict[str, tuple[str, dict[str, Any]]] = {}
        self._nodes: dict[str, Any] = {}
        self._checked_files: set[str] = set()
        self._remainder_of_file: dict[str, dict[str, Any]] = {}
        self._file_of: dict[Place, str] = {}
        self._parts: dict[Place | str, int] = {}
        self.mistakes: list[LocatedMistake] = []
        self.not_checked: list[Place] = []
        self.remainders: dict[Place, dict[str, Any]] = {}
        self.unusable_bindings: set[str] = set()

    def with_documents(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the bindings with each policy file as an inline document."""
        return {
            key: self._with_documents(("bindings", key), binding) if isinstance(binding, dict) else binding
            for key, binding in bindings.items()
        }

    def with_remainders(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the bindings, each document with a mistake or a secret replaced by what can still be linted."""
        replaced = dict(bindings)
        for (_, key, *path), remainder in self.remainders.items():
            replaced[str(key)] = _with(replaced[str(key)], [*path, "document"], remainder)
        return replaced

    def origin(self, source: Place) -> Place | str:
        """Return what identifies the document of a policy: its file, or else the policy's place."""
        return self._file_of.get(source, source)

    def with_samples(self, document: Any) -> Any:
        """Return a document without mistakes, its variables replaced by sample values."""
        return fill(document, self._variables.values)

    def parts(self, source: Place, document: Any) -> int:
        """Return the number of managed policies into which a document is split.

        Raises:
            Mistake: One statement alone is too long.
        """
        key = self.origin(source)
        if key not in self._parts:
            self._parts[key] = len(split_document(self.with_samples(document)))
        return self._parts[key]

    def locate(self, source: Place, part: Place, mistake: Mistake, rule: str = "mistake") -> LocatedMistake:
        """Return a mistake in a document with its place in the policy file, or in the stack file."""
        name = self._file_of.get(source)
        if name is None:
            return LocatedMistake((*source, "document", *part), mistake, rule=rule)
        if name not in self._nodes:
            self._nodes[name] = _node_of(self._files[name][0])
        return LocatedMistake((*source, "file"), mistake, name, line_in(self._nodes[name], part), part, rule)

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
            remainder = self._check(place, document, split) if isinstance(document, dict) else None
            if remainder is not None:
                self.remainders[place] = remainder
            return source
        if name not in self._files and not self._open(place, name):
            self.remainders[place] = {}
            return source
        document = self._files[name][1]
        self._file_of[place] = name
        if name not in self._checked_files:
            self._checked_files.add(name)
            remainder = self._check(place, document, split)
            if remainder is not None:
                self._remainder_of_file[name] = remainder
        if name in self._remainder_of_file:
            self.remainders[place] = self._remainder_of_file[name]
        return {**source, "document": document}

    def _open(self, place: Place, name: str) -> bool:
        """Read a file, and return whether it could be read. A missing file is a mistake on the line that names it."""
        try:
            text = _text_of(self._folder, name)
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

    def _check(self, source: Place, document: dict[str, Any], split: bool) -> dict[str, Any] | None:
        """Check a document; where it has a mistake or a secret, return what can still be linted of it."""
        if self._holds_secret(document):
            self.not_checked.append(source)
            return {}
        found, checkable = self._found_in(document, self._document_mistakes)
        if split and not found:
            try:
                self._parts[self.origin(source)] = len(split_document(checkable))
            except Mistake as mistake:
                found = [(("Statement",), mistake)]
        self.mistakes += [self.locate(source, part, mistake) for part, mistake in found]
        return _remainder(document, [part for part, _ in found]) if found else None

    def _found_in(self, value: Any, mistakes_in: Callable[[Any], Iterable[Located]]) -> tuple[list[Located], Any]:
        """Return what is wrong with a value, its variables included, and the value with them filled in."""
        found = [*variable_mistakes(value, self._variables.values)]
        if found:
            # What a key is only with its variables filled in can't be judged yet.
            others = ((part, mistake) for part, mistake in mistakes_in(value) if "${" not in "".join(map(str, part)))
            return [*found, *others], value
        filled = self.with_samples(value)
        return [*as_written(value, mistakes_in(filled), self._variables.values)], filled

    def _document_mistakes(self, document: Mapping[str, Any]) -> Iterator[Located]:
        yield from document_mistakes(document)
        if self._variables.partition:
            yield from partition_mistakes(document, self._variables.partition)

    def _check_trust(self, place: Place, trust: Any) -> None:
        if not isinstance(trust, dict):
            return
        conditions, statements = trust.get("conditions"), trust.get("statements")
        if isinstance(conditions, dict):
            self._check_trust_part((*place, "conditions"), conditions, _trust_condition_mistakes)
        if isinstance(statements, list):
            for index, statement in enumerate(statements):
                if isinstance(statement, dict):
                    here = (*place, "statements", index)
                    self._check_trust_part(here, statement, partial(statement_mistakes, trust=True))
            found = sid_mistakes(statements, (*place, "statements"))
            self.mistakes += [LocatedMistake(here, mistake) for here, mistake in found]

    def _check_trust_part(self, place: Place, part: Any, mistakes_in: Callable[[Any], Iterable[Located]]) -> None:
        if self._holds_secret(part):
            self.not_checked.append(place)
            self.unusable_bindings.add(str(place[1]))
            return
        found, _ = self._found_in(part, mistakes_in)
        self.mistakes += [LocatedMistake((*place, *inner), mistake) for inner, mistake in found]

    def _holds_secret(self, value: Any) -> bool:
        """Return whether a value contains a secret, and so cannot be checked."""
        return _has_secret(value) or not self._variables.are_readable(value)


def _with(value: Any, path: Sequence[str | int], inner: Any) -> Any:
    """Return a mapping with another value at a path in it."""
    return {**value, path[0]: _with(value.get(path[0]), path[1:], inner)} if path else inner


def _remainder(document: Mapping[str, Any], wrong: Sequence[Place]) -> dict[str, Any]:
    """Return the statements of a document without those in which something is wrong, the others in their places."""
    statements = document.get("Statement")
    steps = {part[1] for part in wrong if part[0] == "Statement" and len(part) > 1} if all(wrong) else set()
    if isinstance(statements, list):
        kept = [each if isinstance(each, dict) and i not in steps else {} for i, each in enumerate(statements)]
        return {"Statement": kept}
    return {"Statement": statements} if isinstance(statements, dict) and not steps else {}


def _trust_condition_mistakes(conditions: Mapping[str, Any]) -> Iterator[Located]:
    yield from condition_mistakes(conditions)
    try:
        check_conditions({operator: keys for operator, keys in conditions.items() if isinstance(keys, dict)})
    except Mistake as mistake:
        yield (), mistake


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_secret, value.values()))
    return any(map(_has_secret, value)) if isinstance(value, list) else value is SECRET


def _text_of(folder: Path, name: str) -> str:
    try:
        return _content_of(folder, name).decode()
    except Mistake:
        raise
    except FileNotFoundError:
        file = folder / name
        near = [path.name for path in file.parent.glob("*")] if file.parent.is_dir() else []
        close = difflib.get_close_matches(file.name, near, n=1)
        fix = f"did you mean {close[0]!r}?" if close else "create it"
        raise Mistake(f"no file {shortened(name)}", FILE, fix) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Mistake(f"cannot read {shortened(name)}: {reason}", FILE, "check the file") from None


def _content_of(folder: Path, name: str) -> bytes:
    """Return what is in a policy's file. Of what is outside of the folder nothing is read or reported.

    Raises:
        Mistake: It is outside, by its name or by a symbolic link; it is no regular file; it is too large.
        OSError, ValueError: It can't be read.
    """
    file = Path(os.path.realpath(folder / name))
    if Path(name).is_absolute() or not file.is_relative_to(os.path.realpath(folder)):
        raise Mistake(f"{shortened(name)}, which is not below the folder of Pulumi.yaml", FILE, "copy it there")
    if not stat.S_ISREG(file.stat().st_mode):
        raise Mistake(f"{shortened(name)}, which is not a regular file", FILE, "name the file itself")
    content = read_at_most(file, LARGEST)
    if content is None:
        raise Mistake(f"{shortened(name)}, a file of more than 1 MiB", FILE, "check which file is meant")
    return content


def _document_of(text: str) -> dict[str, Any]:
    document = parse_object(text)
    if not difflib.get_close_matches("Statement", document, n=1):
        # Another file was named, whose contents are nobody's business here.
        found, allowed = "JSON that is not a policy document", 'an object with "Version" and "Statement"'
        raise Mistake(found, allowed, "check which file is meant")
    reason = reason_not_to_use(document)
    if reason:
        raise Mistake(reason, "an IAM policy document in JSON", "check the file")
    return document


def _node_of(text: str) -> Any:
    """Return the node of a JSON text, which YAML's parser reads too; None where it does not."""
    try:
        return yaml.compose(text, Loader=LOADER)
    except (yaml.YAMLError, RecursionError):
        return None


def _line_of_repeated(text: str) -> int | None:
    """Return the line of the first key that is there a second time."""
    nodes, seen = [_node_of(text)], set()
    while nodes:
        node = nodes.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += reversed(node.value)
            continue
        names: set[str] = set()
        for key, _ in node.value:
            if key.value in names:
                return int(key.start_mark.line) + 1
            names.add(key.value)
        nodes += [value for _, value in reversed(node.value)]
    return None
