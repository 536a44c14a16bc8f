"""The places within a value: keys of mappings and indexes of lists."""

from collections.abc import Iterator
from typing import Any

from irsa.rules.mistakes import Place


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield every place of a value, that of the value itself first."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def at(value: Any, place: Place) -> Any:
    for part in place:
        value = value[part]
    return value


def copied(value: Any) -> Any:
    """Return a copy in which nothing is the same object twice."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def put(value: Any, place: Place, new: Any) -> Any:
    """Return a copy of a value with another one at a place; where there is no such place, nothing changes."""
    step, rest = place[0], place[1:]
    if isinstance(value, dict) and (isinstance(step, str) or step in value):
        return {**copied(value), step: put(value.get(step, {}), rest, new) if rest else copied(new)}
    if not isinstance(value, list):
        return value
    return [
        (put(each, rest, new) if rest else copied(new)) if index == step else copied(each)
        for index, each in enumerate(value)
    ]
