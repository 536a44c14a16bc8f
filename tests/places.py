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
