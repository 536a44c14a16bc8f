"""What stands for an output."""

from typing import Any

import pytest

from irsa.rules.unknown import OUTPUT, has_unknown


@pytest.mark.parametrize(
    "value", [OUTPUT, [OUTPUT], {"a": OUTPUT}, [1, {"a": [{"b": OUTPUT}]}], {"a": 1, "b": ["x", OUTPUT]}]
)
def test_an_unknown_is_seen_at_any_depth(value: Any) -> None:
    """Protects outputs inside of documents: a value that holds one is looked at again when it is known."""
    assert has_unknown(value) is True


@pytest.mark.parametrize("value", [None, "", "OUTPUT", OUTPUT.reason, 0, [], {}, [[]], {"a": {}}, {"OUTPUT": [None]}])
def test_what_is_known_is_known(value: Any) -> None:
    """Protects plain values, empty ones too: they are checked at once."""
    assert has_unknown(value) is False
