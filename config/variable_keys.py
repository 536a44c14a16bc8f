"""The keys of a binding in whose values `${variables}` are replaced: documents and ARNs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic.alias_generators import to_camel

from config.argument_places import place_of
from irsa.add_ons.catalog import snake
from irsa.add_ons.parameters import PARAMETERS
from irsa.rules.mistakes import Place

EACH = "*"
KEYS_WITH_VARIABLES: tuple[tuple[str, ...], ...] = (
    ("role", "arn"),
    ("role", "permissionsBoundary"),
    ("policy", "document"),
    ("policyArns",),
    ("inlinePolicies", EACH, "document"),
    ("assumeRoleArns",),
    ("podIdentity", "targetRoleArn"),
    ("podIdentity", "policy", "document"),
    ("trust", "conditions"),
    ("trust", "statements"),
    *(("policy", to_camel(parameter)) for parameter in PARAMETERS),
    *(("policies", EACH, to_camel(parameter)) for parameter in PARAMETERS),
)
# Every key of every binding is looked up in it, several times, as the stack file or the component spells it.
_KEYS = frozenset(KEYS_WITH_VARIABLES) | {tuple(map(snake, key)) for key in KEYS_WITH_VARIABLES}


def with_variables_replaced(value: Any, replaced: Callable[[Place, Any], Any], place: Place = ()) -> Any:
    """Return the arguments of a binding, where the function replaces the values of these keys, given their places."""
    if takes_variables(place):
        return replaced(place_of(place), value)
    if isinstance(value, Mapping):
        return {key: with_variables_replaced(item, replaced, (*place, key)) for key, item in value.items()}
    if place == ("policies",) and isinstance(value, list):
        return [with_variables_replaced(item, replaced, (*place, index)) for index, item in enumerate(value)]
    return value


def values_with_variables(value: Any) -> Sequence[tuple[Place, Any]]:
    """Return the places and values of these keys of a binding, which may have any shape."""
    found: list[tuple[Place, Any]] = []
    with_variables_replaced(value, lambda *each: found.append(each))
    return found


def takes_variables(place: Place) -> bool:
    """Return whether variables are replaced in the value of a key of a binding, or of an argument."""
    return place in _KEYS or (*place[:1], EACH, *place[2:]) in _KEYS
