"""The schemas of what the subcommands print with --json: docs/reference/*.schema.json."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from pkgutil import resolve_name
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from irsa_cli.subcommands import SUBCOMMANDS, module_of
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.report.json import camel_case

REFERENCE = Path(__file__).parents[1] / "reference"
PLAIN_TYPES: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    NoneType: {"type": "null"},
}


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each generated file and its text."""
    for name in SUBCOMMANDS:
        output = getattr(module_of(name), "OUTPUT", None)
        output = resolve_name(output) if isinstance(output, str) else output
        if output:
            schema = json.dumps(schema_of(name, output), indent=2)
            yield REFERENCE / f"{name}.schema.json", f"{schema}\n"


def schema_of(subcommand: str, output: type) -> dict[str, Any]:
    """Return the JSON schema of what a subcommand prints: its name and exit code, and the fields of a dataclass."""
    definitions: dict[str, Any] = {}
    good = {"type": "boolean", "description": "Whether `exitCode` is 0."}
    code = {"enum": [GOOD, FINDINGS, COULD_NOT_LOOK], "description": "The exit code: docs/reference/command.md."}
    first = {"subcommand": {"const": subcommand}, "good": good, "exitCode": code}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What `irsa {subcommand} --json` prints",
        **_object(output, definitions, first),
        "$defs": dict(sorted(definitions.items())),
    }


def _object(dataclass: type, definitions: dict[str, Any], first: Mapping[str, Any] | None = None) -> dict[str, Any]:
    types, texts = get_type_hints(dataclass), _descriptions(dataclass)
    properties = dict(first or {})
    for each in fields(dataclass):
        text = {"description": texts[each.name]} if texts.get(each.name) else {}
        properties[camel_case(each.name)] = {**_value(types[each.name], definitions), **text}
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _value(type_: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ in PLAIN_TYPES:
        return PLAIN_TYPES[type_]
    if choices := _choices(type_):
        return {"type": "string", "enum": choices}
    if origin in {Union, UnionType}:
        plain = [PLAIN_TYPES[each]["type"] for each in arguments if each in PLAIN_TYPES]
        several = [_value(each, definitions) for each in arguments]
        return {"type": plain} if len(plain) == len(several) else {"anyOf": several}
    if origin in {tuple, Sequence}:
        return {"type": "array", "items": _value(arguments[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _value(arguments[1], definitions)}
    if not (isinstance(type_, type) and is_dataclass(type_)):
        raise TypeError(f"no JSON schema for {type_}: see docs/reference for what a subcommand may print")
    name = camel_case(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type_.__name__).lower())
    if name not in definitions:
        definitions[name] = _object(type_, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _choices(type_: Any) -> list[str]:
    if isinstance(type_, type) and issubclass(type_, Enum):
        return [str(each.value) for each in type_]
    return [*get_args(type_)] if get_origin(type_) is Literal else []


def _descriptions(dataclass: type) -> dict[str, str]:
    """Return the descriptions of a dataclass's fields, from the section `Attributes` of its docstring."""
    # Up to Python 3.12 a docstring has the indentation of its source.
    _, _, section = inspect.cleandoc(dataclass.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\bNone\b", "null", " ".join(text.split())) for name, text in found}
