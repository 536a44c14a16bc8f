"""How a stack file spells the arguments of the component: a binding has the same keys, in camelCase."""

import functools
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from irsa.fields import OF_A_ROLE, Group, Keyed, Listed, Node
from irsa.rules.mistakes import Place, path_of


def place_of(argument: Place, node: Node | None = OF_A_ROLE) -> Place:
    """Return the place of an argument of the component, or of a part of one, in a binding; or of one in a guard."""
    # A stack file names the clusters by their keys.
    if argument[:1] == ("cluster_arns",):
        return ("clusters",)
    if argument[:1] == ("oidc_provider_arns",):
        return ("clusters", *argument[1:])
    place: list[str | int] = []
    for step in argument:
        if isinstance(node, Group):
            place.append(_key(str(step)))
            node = node.fields.get(str(step))
        else:
            place.append(step)
            node = node.item if isinstance(node, Keyed | Listed) else None
    return tuple(place)


def spelled(argument: Place) -> str:
    """Return how a stack file spells an argument of the component."""
    return f"irsa:{path_of(place_of(argument))}" if argument[:1] == ("quotas",) else path_of(place_of(argument))


def arguments_of(value: Any, node: Node | None = OF_A_ROLE) -> Any:
    """Return a binding, or a part of one, as arguments of the component: what is not as by default."""
    if isinstance(node, Group) and isinstance(value, BaseModel):
        defaults = _defaults(type(value))
        known = {name: getattr(value, name) for name in node.fields if name in defaults}
        return {key: arguments_of(each, node.fields[key]) for key, each in known.items() if each != defaults[key]}
    if isinstance(node, Keyed) and isinstance(value, dict):
        return {key: arguments_of(each, node.item) for key, each in value.items()}
    if isinstance(node, Listed) and isinstance(value, list):
        return [arguments_of(each, node.item) for each in value]
    return value


@functools.cache
def _key(argument: str) -> str:
    # `import` is a word of Python.
    return to_camel(argument.rstrip("_"))


@functools.cache
def _defaults(model: type[BaseModel]) -> Mapping[str, Any]:
    return {name: each.get_default(call_default_factory=True) for name, each in model.model_fields.items()}
