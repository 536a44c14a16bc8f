"""The values of a binding in which a stack file may have `${variables}`: documents and ARNs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irsa.fields import Field, Keyed, KeyGroup, KeyList, Node, node_within
from irsa.rules.mistakes import Place
from irsa_config.reading import OF_A_BINDING


def with_variables_replaced(
    value: Any, replaced: Callable[[Place, Any], Any], node: Node | None = OF_A_BINDING, place: Place = ()
) -> Any:
    """Return the keys of a binding, where the function replaces the values of these, given their places."""
    if isinstance(node, Field):
        return replaced(place, value) if node.variables else value
    if isinstance(value, list) and isinstance(node, KeyList | Keyed):
        return [with_variables_replaced(item, replaced, node.item, (*place, at)) for at, item in enumerate(value)]
    if isinstance(value, Mapping) and isinstance(node, KeyGroup | Keyed):
        names = node.names if isinstance(node, KeyGroup) else {}
        return {
            key: with_variables_replaced(item, replaced, node_within(node, names.get(key, "")), (*place, key))
            if isinstance(node, Keyed) or key in names
            else item
            for key, item in value.items()
        }
    return value


def values_with_variables(tree: Any) -> Sequence[tuple[Place, Any]]:
    """Return the places and values of these in a binding, which may have any shape."""
    found: list[tuple[Place, Any]] = []
    with_variables_replaced(tree, lambda *each: found.append(each))
    return found
