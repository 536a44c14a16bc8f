"""The arguments in whose values a stack file may have `${variables}`: documents and ARNs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irsa.fields import OF_A_ROLE, Field, Group, Keyed, Listed, Node, node_at, node_within
from irsa.rules.mistakes import Place


def with_variables_replaced(
    value: Any, replaced: Callable[[Place, Any], Any], node: Node | None = OF_A_ROLE, place: Place = ()
) -> Any:
    """Return the arguments of a binding, where the function replaces the values of these, given their places."""
    if isinstance(node, Field):
        return replaced(place, value) if node.variables else value
    if isinstance(value, list) and isinstance(node, Listed | Keyed):
        return [with_variables_replaced(item, replaced, node.item, (*place, at)) for at, item in enumerate(value)]
    if isinstance(value, Mapping) and isinstance(node, Group | Keyed):
        return {
            key: with_variables_replaced(item, replaced, node_within(node, key), (*place, key))
            for key, item in value.items()
        }
    return value


def values_with_variables(args: Any) -> Sequence[tuple[Place, Any]]:
    """Return the places and values of these arguments of a binding, which may have any shape."""
    found: list[tuple[Place, Any]] = []
    with_variables_replaced(args, lambda *each: found.append(each))
    return found


def takes_variables(argument: Place) -> bool:
    """Return whether a stack file may have variables in the value of an argument."""
    node = node_at(argument)
    return isinstance(node, Field) and node.variables
