"""The models of the keys, and what the docstring below each key says of it."""

import inspect
from collections.abc import Iterator
from typing import get_args

from pulumi.provider.experimental.analyzer import Analyzer

from irsa.keys.binding import Keys, is_model, unwrapped

SOURCES = Analyzer("irsa")


def models(model: type[Keys]) -> Iterator[type[Keys]]:
    """Yield a model after those that it uses."""
    for field in model.model_fields.values():
        inner, _ = unwrapped(field.annotation)
        for each in (inner, *get_args(inner)):
            yield from models(each) if is_model(each) else ()
    yield model


def descriptions(model: type[Keys]) -> dict[str, str]:
    """Return the descriptions of a model's keys, by their names in Python.

    pydantic could read the docstrings too (use_attribute_docstrings), but at every import of the models: a tenth of the
    time of `irsa check`.
    """
    found = {name: each.description or "" for name, each in model.model_fields.items()}
    for base in reversed(model.__mro__):
        texts = {name: SOURCES.get_docstring(base, name) for name in vars(base).get("__annotations__", ())}
        found |= {name: inspect.cleandoc(text) for name, text in texts.items() if text}
    return found
