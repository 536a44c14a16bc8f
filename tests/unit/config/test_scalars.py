"""Scalars as the engine reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.scalars import key_of, scalar

# What Pulumi 3.259.0 makes of each scalar, as a value and as a key; "refused" where it refuses the file. The sandbox's
# tests ask the engine itself: tests/sandbox/test_mistakes_in_preview.py.
ENGINE: dict[str, tuple[Any, str]] = json.loads(Path(__file__).with_name("scalars_of_the_engine.json").read_text())


@pytest.mark.parametrize(("text", "value"), [(text, value) for text, (value, _) in ENGINE.items()])
def test_a_plain_scalar_is_what_the_engine_makes_of_it(text: str, value: Any) -> None:
    """Protects the agreement of check and up: `yes` is a text and 2012-10-17 is none, unlike PyYAML has it."""
    read = scalar(text)

    assert repr(read) in ("inf", "-inf", "nan") if value == "refused" else (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(("text", "key"), [(text, key) for text, (_, key) in ENGINE.items()])
def test_a_plain_key_is_what_the_engine_makes_of_it(text: str, key: str) -> None:
    assert key_of(text) == key
