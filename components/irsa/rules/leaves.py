"""Walks through values of lists and mappings: their strings, numbers and keys, each with its place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irsa.rules.mistakes import Place


def leaves(value: Any, place: Place = ()) -> list[tuple[Place, Any]]:
    """Return what is no list and no mapping, and each key of a mapping, with its place; a key before its value."""
    found: list[tuple[Place, Any]] = []
    _add_leaves(value, place, found)
    return found


def _add_leaves(value: Any, place: Place, found: list[tuple[Place, Any]]) -> None:
    # Most are strings, and a test for an abstract class takes long.
    if isinstance(value, str):
        found.append((place, value))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _add_leaves(item, (*place, index), found)
    elif isinstance(value, dict | Mapping):
        for key, item in value.items():
            inner: Place = (*place, step_of(key))
            found.append((inner, key))
            _add_leaves(item, inner, found)
    else:
        found.append((place, value))


def map_leaves(
    value: Any, leaf: Callable[[Place, Any], Any], key: Callable[[Place, Any], Any] | None = None, place: Place = ()
) -> Any:
    """Return a copy, in dicts and lists, with another value in place of each leaf and, with `key`, of each key."""
    if isinstance(value, str):
        return leaf(place, value)
    if isinstance(value, list | tuple):
        return [map_leaves(item, leaf, key, (*place, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict | Mapping):
        return leaf(place, value)
    mapped = {}
    for name, item in value.items():
        inner: Place = (*place, step_of(name))
        mapped[key(inner, name) if key else name] = map_leaves(item, leaf, key, inner)
    return mapped


def copied(value: Any) -> Any:
    """Return a copy in dicts and lists with the same leaves: the caller may change its own for the next component."""
    return map_leaves(value, lambda _, leaf: leaf)


def part_at(value: Any, place: Place) -> Any:
    """Return what is at a place in lists and mappings; None where there is no such place."""
    for step in place:
        try:
            value = value[step]
        except (IndexError, KeyError, TypeError):
            return None
    return value


def step_of(key: object) -> str:
    """Return a key as a step of a place; the text of an object, such as an output, is no name."""
    if isinstance(key, str):
        return key
    return str(key) if isinstance(key, int | float | None) else type(key).__name__.lower()


def list_of(value: object) -> list[Any]:
    """Return a value that should be a list, of any other an empty one."""
    return value if isinstance(value, list) else []


def strings_of(value: object) -> list[str]:
    """Return the strings of a value that should be a list of them."""
    return [item for item in list_of(value) if isinstance(item, str)]


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return a value that should be a mapping, of any other an empty one."""
    return value if isinstance(value, dict) else {}


def items_of(value: Any) -> Sequence[Any]:
    """Return the items of a list, or the one value that stands in place of a list, as IAM takes it."""
    return value if isinstance(value, list | tuple) else [value]
