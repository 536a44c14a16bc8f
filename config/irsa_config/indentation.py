"""Keys that stand beside the key that they are meant to be below."""

import functools
import itertools
from collections.abc import Iterator, Set
from typing import Any

import yaml

from irsa.rules.grammar import DOCUMENT_ELEMENTS
from irsa.rules.mistakes import Located, Mistake, Place, listed, named
from irsa_config.engine_files import PREFIX
from irsa_config.key_types import keys_at
from irsa_config.nodes import end_of


def keys_to_indent(node: Any, place: Place = (), kind: Place = ()) -> Iterator[Located]:
    """Yield a mistake for each group of such keys.

    Args:
        node: What is in `config:`, or below it.
        place: Where it is in `irsa:`.
        kind: The same place, with nothing for the keys that users choose, such as the names of bindings.
    """
    if not isinstance(node, yaml.MappingNode) or not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        return
    known, chosen, pairs = _keys(kind), _keys((*kind, "")), list(node.value)
    elements = [key.value for key, _ in pairs if key.value in DOCUMENT_ELEMENTS]
    if elements and "document" in known and not {"document", "file", "addOn"} & {key.value for key, _ in pairs}:
        fix = f"write `document:` above {listed(elements)}, and indent {listed(elements)} below it"
        yield place, Mistake(f"{listed(elements)} without `document:`", "a policy document below `document:`", fix)
        return
    at = 0
    while at < len(pairs):
        key, value = pairs[at]
        name = key.value if kind else key.value.removeprefix(f"{PREFIX}:")
        below = (*kind, name if known else "")
        moved = list(itertools.takewhile(lambda pair: _is_of(below, pair[0].value, known), pairs[at + 1 :]))  # noqa: B023
        if not (isinstance(value, yaml.ScalarNode) and not value.style and not value.value and moved):
            moved = (
                list(itertools.takewhile(lambda pair: _is_lost(chosen, *pair), pairs[at + 1 :])) if not known else []
            )
            yield from keys_to_indent(value, (*place, name), below)
            found = f"{listed([each.value for each, _ in moved])} beside {named(name)}"
        else:
            found = f"{named(name)} has no keys"
        if moved:
            first, end = moved[0][0].start_mark.line + 1, end_of(moved[-1][1])
            last = end.line + bool(end.column)
            lines = f"lines {first} to {last}" if last > first else f"line {first}"
            allowed = f"keys of {named(name)}, indented below it"
            at_key = name if found.endswith("no keys") else moved[0][0].value
            yield (*place, at_key), Mistake(found, allowed, f"indent {lines}")
        at += 1 + len(moved)


@functools.lru_cache(maxsize=1_000)
def _keys(kind: Place) -> Set[str]:
    return frozenset(DOCUMENT_ELEMENTS if kind[-1:] == ("document",) else keys_at(kind))


def _is_of(below: Place, key: str, beside: Set[str]) -> bool:
    """Return whether a key is one of a place, where users choose them too, and not of the mapping that it is in."""
    is_chosen = not _keys(below) and bool(_keys((*below, ""))) and ":" not in key
    return key not in beside and (key in _keys(below) or is_chosen)


def _is_lost(chosen: Set[str], key: Any, value: Any) -> bool:
    """Return whether a key among those that users choose is of the one before: below it is nothing of such a one."""
    below = {each.value for each, _ in value.value} if isinstance(value, yaml.MappingNode) else set()
    return key.value in chosen and not below & chosen
