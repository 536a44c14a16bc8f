"""From the values of a stack file to settings, or to all of its mistakes."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from config.across import mistakes_across
from config.defaults import with_defaults
from config.models import Stack
from config.places import LocatedMistake, Place
from config.variables import SAMPLES, fill
from irsa.mistakes import Mistake
from irsa.policies import parse_document, split_document


class StackFileError(Exception):
    """All mistakes of a stack file."""

    def __init__(self, mistakes: list[LocatedMistake]) -> None:
        """Keep the mistakes, in the order of the file's paths."""
        self.mistakes = mistakes
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''} in the stack's settings"
        super().__init__("\n".join([count, *(f"  {mistake}" for mistake in mistakes)]))


def load(values: Mapping[str, Any], folder: Path) -> Stack:
    """Give the settings, with `irsa:defaults` laid under the bindings.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.

    Raises:
        StackFileError: All mistakes, files included; nothing was deployed or looked up.
    """
    variables = values.get("variables")
    variables = dict(variables) if isinstance(variables, dict) else {}
    mistakes = list(mistakes_across(values))
    expanded = _with_documents(values, folder, {**SAMPLES, **variables}, mistakes)
    try:
        stack = Stack.model_validate(expanded, context={"variables": variables})
    except ValidationError as error:
        mistakes += [_located(item) for item in error.errors()]
    if mistakes:
        raise StackFileError(mistakes)
    return with_defaults(stack)


def _with_documents(
    values: Mapping[str, Any], folder: Path, variables: Mapping[str, str], mistakes: list[LocatedMistake]
) -> dict[str, Any]:
    """Give the values with the file of each policy read into its document."""
    bindings = values.get("bindings")
    if not isinstance(bindings, dict):
        return dict(values)
    expanded = {}
    for key, binding in bindings.items():
        expanded[key] = binding
        if not isinstance(binding, dict):
            continue
        place: Place = ("bindings", key)
        policy = _with_document(binding.get("policy"), (*place, "policy"), folder, variables, mistakes)
        inline = binding.get("inlinePolicies")
        if isinstance(inline, dict):
            inline = {
                name: _with_document(source, (*place, "inlinePolicies", name), folder, variables, mistakes)
                for name, source in inline.items()
            }
        read = {"policy": policy, "inlinePolicies": inline}
        expanded[key] = {**binding, **{name: value for name, value in read.items() if name in binding}}
    return {**values, "bindings": expanded}


def _with_document(
    source: Any, place: Place, folder: Path, variables: Mapping[str, str], mistakes: list[LocatedMistake]
) -> Any:
    """Give a policy's settings with its file read into `document`, which is held against IAM's rules."""
    if not isinstance(source, dict):
        return source
    kind = "file" if isinstance(source.get("file"), str) and "document" not in source else "document"
    try:
        document = parse_document(_text_of(folder / source["file"])) if kind == "file" else source.get("document")
        if isinstance(document, dict):
            split_document(parse_document(json.dumps(fill(document, variables))))
    except Mistake as mistake:
        mistakes.append(LocatedMistake((*place, kind), mistake))
        return source
    return source if document is None else {**source, "document": document}


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = [path.name for path in file.parent.glob("*")] if file.parent.is_dir() else []
        nearest = difflib.get_close_matches(file.name, near, n=1)
        fix = f"did you mean {nearest[0]!r}?" if nearest else f"create {file}"
        raise Mistake(f"no file {file}", "a JSON file, relative to the folder of Pulumi.yaml", fix) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"cannot read {file}: {error}", "a JSON file in UTF-8", "look at the file") from error


def _located(error: Any) -> LocatedMistake:
    place: Place = tuple(part for part in error["loc"] if part != "[key]")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Mistake):
        return LocatedMistake(place, cause)
    if error["type"] == "extra_forbidden":
        known = keys_at(place[:-1])
        nearest = difflib.get_close_matches(str(place[-1]), known, n=1)
        fix = f"did you mean {nearest[0]!r}?" if nearest else "remove it"
        return LocatedMistake(place, Mistake(f"unknown key {place[-1]!r}", ", ".join(known), fix))
    if error["type"] == "missing":
        return LocatedMistake(place, Mistake("nothing", "this key is required", f"add {place[-1]}"))
    return LocatedMistake(place, Mistake(f"{error['input']!r}", error["msg"], "write a value of that kind"))


def keys_at(place: Place) -> list[str]:
    """Give the keys that a map at this YAML path may have, sorted."""
    annotation: Any = Stack
    for part in place:
        annotation = _step(annotation, part)
    fields = annotation.model_fields if _is_model(annotation) else {}
    return sorted(field.alias or name for name, field in fields.items())


def _step(annotation: Any, part: str | int) -> Any:
    """Give the type of a key or an item of a value of this type."""
    if _is_model(annotation):
        field = next((field for field in annotation.model_fields.values() if field.alias == part), None)
        return _without_none(field.annotation) if field else None
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    alternatives = [part for part in get_args(annotation) if part is not type(None)]
    return alternatives[0] if isinstance(annotation, UnionType) else annotation
