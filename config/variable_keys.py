"""The keys of a binding in whose values `${variables}` are replaced: documents and ARNs."""

from collections.abc import Iterator, Mapping
from typing import Any

from config.located_mistake import Place
from config.variables import fill

EACH = "*"
KEYS_WITH_VARIABLES: tuple[tuple[str, ...], ...] = (
    ("role", "arn"),
    ("role", "permissionsBoundary"),
    ("policy", "document"),
    ("policyArns",),
    ("inlinePolicies", EACH, "document"),
    ("assumeRoleArns",),
    ("trust", "conditions"),
    ("trust", "statements"),
)


def with_variables_replaced(value: Any, variables: Mapping[str, str], place: Place = ()) -> Any:
    """Return a binding as in a stack file, with the variables in these keys replaced by their values.

    Raises:
        Mistake: A variable is unknown.
    """
    if _takes_variables(place):
        return fill(value, variables)
    if isinstance(value, Mapping):
        return {key: with_variables_replaced(item, variables, (*place, key)) for key, item in value.items()}
    return value


def values_with_variables(value: Any, place: Place = ()) -> Iterator[Any]:
    """Yield the values of these keys of a binding."""
    if _takes_variables(place):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from values_with_variables(item, (*place, key))


def _takes_variables(place: Place) -> bool:
    return any(
        len(keys) == len(place) and all(key in (EACH, step) for key, step in zip(keys, place, strict=True))
        for keys in KEYS_WITH_VARIABLES
    )
