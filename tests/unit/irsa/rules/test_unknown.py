"""What stands for an output."""

from typing import Any

import pytest

from irsa.rules.unknown import UNKNOWN, has_unknown


@pytest.mark.parametrize(
    "value", [UNKNOWN, [UNKNOWN], {"a": UNKNOWN}, [1, {"a": [{"b": UNKNOWN}]}], {"a": 1, "b": ["x", UNKNOWN]}]
)
def test_an_unknown_is_seen_at_any_depth(value: Any) -> None:
    """Protects outputs inside of documents: a value that holds one is looked at again when it is known."""
    assert has_unknown(value) is True


@pytest.mark.parametrize("value", [None, "", "UNKNOWN", UNKNOWN.value, 0, [], {}, [[]], {"a": {}}, {"UNKNOWN": [None]}])
def test_what_is_known_is_known(value: Any) -> None:
    """Protects plain values, empty ones too: they are checked at once."""
    assert has_unknown(value) is False
