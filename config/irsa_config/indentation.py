"""Keys that stand beside the key that they are meant to be below."""

import functools
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import yaml

from irsa.rules.grammar import DOCUMENT_ELEMENTS
from irsa.rules.mistakes import Mistake, Place, listed
from irsa_config.engine_files import PREFIX
from irsa_config.key_types import keys_at
from irsa_config.nodes import STRING, end_of

Complain = Callable[[Place, Mistake], None]
Pair = tuple[Any, Any]


def as_meant(node: Any, place: Place, complain: Complain, kind: Place = ()) -> Any:
    """Return the node of a setting with such keys where they are meant to be, and complain of each group of them.

    Args:
        node: The value of the setting.
        place: Where it is in `irsa:`.
        complain: Is called with the place of each mistake, and the mistake.
        kind: The same place, with nothing for the keys that users choose, such as the names of bindings.
    """
    kind = kind or place
    known, chosen = _keys(kind), _keys((*kind, ""))
    if not isinstance(node, yaml.MappingNode) or not (known or chosen) or not all(map(_is_text, node.value)):
        return node
    pairs = [*below_empty(node.value, place, complain, kind)]
    if "document" in known and not {"document", "file", "addOn"} & {key.value for key, _ in pairs}:
        pairs = [*_below_document(pairs, place, complain)]
    below = [(key, as_meant(each, (*place, key.value), complain, _below(kind, key.value))) for key, each in pairs]
    return _mapping(below, node)


@functools.lru_cache(maxsize=1_000)
def _keys(kind: Place) -> Set[str]:
    return frozenset(DOCUMENT_ELEMENTS if kind[-1:] == ("document",) else keys_at(kind))


def _below(kind: Place, key: str) -> Place:
    return (*kind, key if _keys(kind) else "")


def below_empty(pairs: Sequence[Pair], place: Place, complain: Complain, kind: Place) -> Iterator[Pair]:
    """Yield the pairs, those that follow a key without a value below it, where they are keys of it alone."""
    at = 0
    while at < len(pairs):
        key, value = pairs[at]
        at += 1
        name = key.value if kind else str(key.value).removeprefix(f"{PREFIX}:")
        start, below = at, _below(kind, name)
        while _is_empty(value) and at < len(pairs) and _is_text(pairs[at]) and _is_of(below, pairs[at][0].value, kind):
            at += 1
        if moved := pairs[start:at]:
            first, end = moved[0][0].start_mark.line + 1, end_of(moved[-1][1])
            last = end.line + bool(end.column)
            found = f"nothing below it, but beside it: {listed([each.value for each, _ in moved])}"
            lines = f"lines {first} to {last}" if last > first else f"line {first}"
            complain((*place, name), Mistake(found, "its keys, indented below it", f"indent {lines}"))
            value = _mapping(moved, moved[0][0])
        yield key, value


def _is_of(below: Place, key: str, beside: Place) -> bool:
    """Return whether a key is one of a place, where users choose them too, and not of the mapping that it is in."""
    is_chosen = not _keys(below) and bool(_keys((*below, ""))) and ":" not in key
    return key not in _keys(beside) and (key in _keys(below) or is_chosen)


def _below_document(pairs: Sequence[Pair], place: Place, complain: Complain) -> Iterator[Pair]:
    """Yield the pairs, the elements of a policy document below `document:`."""
    moved = [pair for pair in pairs if pair[0].value in DOCUMENT_ELEMENTS]
    yield from (pair for pair in pairs if pair not in moved)
    if moved:
        first, names = moved[0][0], listed([key.value for key, _ in moved])
        fix = f"write `document:` above line {first.start_mark.line + 1}, and indent {names} below it"
        complain(place, Mistake(f"{names} without `document:`", "a policy document below `document:`", fix))
        key = yaml.ScalarNode(STRING, "document", first.start_mark, first.end_mark)
        yield key, _mapping(moved, first)


def _mapping(pairs: Sequence[Pair], node: Any) -> Any:
    return yaml.MappingNode(
        node.tag if isinstance(node, yaml.MappingNode) else "", [*pairs], node.start_mark, node.end_mark
    )


def _is_text(pair: Pair) -> bool:
    """Return whether a key is no list or mapping, which is another mistake."""
    return isinstance(pair[0], yaml.ScalarNode)


def _is_empty(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and not node.value
