"""How a resource type is described: its properties as a table, its calls as functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.plugins.aws import documents
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.serving import Plain

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

    required: bool = False
    default: Any = None
    replaces: bool = False
    same: Same = identical
    document: bool = False
    # AWS sets it where the program does not, so its absence from the program is no change.
    computed: bool = False


def document(*, required: bool = True) -> Property:
    """Return the property of a policy document."""
    return Property(required=required, same=same_document, document=True)


TAGS: Mapping[str, Property] = {"tags": Property(), "tagsAll": Property()}


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

    @property
    def defaults(self) -> Mapping[str, Any]:
        return {key: prop.default for key, prop in self.properties.items() if prop.default is not None}
