"""Texts of a diff in place of others: names that are not chosen yet, and only look as if they were. Pure."""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from irsa_cli.diff.changes import DEFAULTS
from irsa_cli.diff.preview import CREATE, REPLACE, Step

# What a preview adds to the logical name for an automatic name; the deployment adds something else:
# https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
_WITH_SUFFIX = re.compile(r"[\w+=,.@-]+-[0-9a-f]{7}(?![\w+=,.@-])")
_SUFFIX = len("1234567")


def without_suffixes(value: Any, steps: Iterable[Step]) -> Any:
    """Return a value, in dataclasses, lists and dicts, with `...` for the end of automatic names not chosen yet."""
    created = (each.new for each in steps if each.operation in {CREATE, REPLACE} and each.new)
    names = {each.inputs.get("name") for each in created if "name" in (each.inputs.get(DEFAULTS) or ())}

    @functools.cache
    def text_for(text: str) -> str:
        return _WITH_SUFFIX.sub(lambda found: f"{found[0][:-_SUFFIX]}..." if found[0] in names else found[0], text)

    return _with_texts(value, text_for) if names else value


def _with_texts(value: Any, text_for: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return text_for(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {name: _with_texts(item, text_for) for name, item in vars(value).items()}
        return type(value)(**fields)
    if isinstance(value, Mapping):
        return {text_for(key): _with_texts(item, text_for) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_with_texts(each, text_for) for each in value])
    return value
