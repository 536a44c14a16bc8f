"""The Helm values of an add-on's chart, with which its service account gets the role."""

from collections.abc import Mapping, Sequence
from typing import Any

from irsa.add_ons.document import replaced_in
from irsa.rules.names import snake


def helm_values(template: Any, values: Mapping[str, Any]) -> Any:
    """Return values for a chart; an item of a list is there for each of several values of its variable, or for none.

    Args:
        template: As a data file has it.
        values: What its variables stand for, by their names as arguments; strings or lists of them within a text.
    """
    if isinstance(template, Mapping):
        return {key: helm_values(each, values) for key, each in template.items()}
    if isinstance(template, list):
        return [item for each in template for item in _items(each, values)]
    if isinstance(template, str) and template[:2] == "${" and template[2:-1].isidentifier():
        return values[snake(template[2:-1])]
    return template if not isinstance(template, str) else next(iter(_items(template, values)), None)


def _items(template: Any, values: Mapping[str, Any]) -> Sequence[Any]:
    if not isinstance(template, str):
        return [helm_values(template, values)]
    texts = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    return replaced_in(
        template, {name: value for name, value in texts.items() if all(isinstance(each, str) for each in value)}
    )
