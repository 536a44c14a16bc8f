"""How a resource type is described: its properties as a table, its calls as functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.plugins.aws import documents
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.aws.validators import Validator
from sandbox.plugins.serving import Plain, UnknownProperty

Same = Callable[[Any, Any], bool]


def identical(one: Any, other: Any) -> bool:
    """Return whether both are equal or empty: Terraform takes absent and empty for the same."""
    return one == other or (one in _EMPTY and other in _EMPTY)


_EMPTY: tuple[Any, ...] = (None, "", False, 0, [], {})


def same_set(one: Any, other: Any) -> bool:
    """Return whether two lists are equal in any order."""
    return sorted(one or []) == sorted(other or [])


def same_document(one: Any, other: Any) -> bool:
    """Return whether two policy documents mean the same."""
    return documents.equivalent(one or "", other or "")


@dataclass(frozen=True)
class Property:
    """One input of a resource type."""

    kind: str = "string"
    required: bool = False
    default: Any = None
    replaces: bool = False
    check: Validator | None = None
    same: Same = identical
    document: bool = False
    # AWS sets it where the program does not, so its absence from the program is no change.
    computed: bool = False
    conflicts_with: str | None = None


def document(*, replaces: bool = False) -> Property:
    """Return the property of a required policy document."""
    return Property(required=True, replaces=replaces, check=documents.mistakes, same=same_document, document=True)


TAGS: Mapping[str, Property] = {"tags": Property("map"), "tagsAll": Property("map")}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


_WORDS: Mapping[str, Any] = {"true": True, "false": False}
_COERCIONS: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "int": lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value,
    "bool": lambda value: _WORDS.get(value, value) if isinstance(value, str) else value,
    "map": lambda value: {key: _text(item) for key, item in value.items()} if isinstance(value, dict) else value,
    "list": lambda value: [_text(item) for item in value] if isinstance(value, list) else value,
    "blocks": lambda value: value,
}
_PYTHON: Mapping[str, type] = {"string": str, "int": int, "bool": bool, "map": dict, "list": list, "blocks": list}


def coerced(prop: Property, value: Any) -> Any:
    """Return the value as the bridge converts it: strings to numbers and booleans, and the other way round."""
    return value if prop.document else _COERCIONS[prop.kind](value)


def wrong_type(prop: Property, value: Any) -> str | None:
    """Return what is wrong with the type of a value, None if nothing is."""
    if isinstance(value, _PYTHON[prop.kind] | UnknownProperty) and not (prop.kind == "int" and isinstance(value, bool)):
        return None
    return f"expected type '{prop.kind}', got '{type(value).__name__}'"


@dataclass(frozen=True)
class ResourceType:
    """A resource type; `create` returns the id, `read` the outputs, or None if the resource does not exist."""

    properties: Mapping[str, Property]
    outputs: tuple[str, ...]
    create: Callable[[Connection, Plain], str]
    read: Callable[[Connection, str, Plain], Plain | None]
    delete: Callable[[Connection, str, Plain], None]
    # It may return outputs that the state gets whatever AWS has.
    update: Callable[[Connection, str, Plain, Plain], Plain | None] = lambda *_: None
    # The property that is named automatically, and the longest name for it.
    name_property: str = ""
    name_length: int = 0
    lowercase_name: bool = False
    delete_before_replace: bool = False
    described_as: str = ""
    retag: Callable[[Connection, str, list[str], Mapping[str, str]], None] | None = None
    defaults: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "defaults", {key: prop.default for key, prop in self.properties.items() if prop.default is not None}
        )
