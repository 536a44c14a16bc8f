from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.generate.outputs import schema_of


@dataclass(frozen=True)
class Weather:
    warm_enough: bool | None
    by_town: Mapping[str, tuple[int, ...]]


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        ({"warmEnough": None, "byTown": {"Bern": [1, 2]}}, True),
        ({"warmEnough": True, "byTown": {}}, True),
        ({"warmEnough": "yes", "byTown": {}}, False),
        ({"warmEnough": True, "byTown": {"Bern": ["cold"]}}, False),
        ({"warmEnough": True, "byTown": {"Bern": [-1]}}, False),
        ({"warmEnough": True}, False),
        ({"warm_enough": True, "byTown": {}}, False),
        ({"warmEnough": True, "byTown": {}, "coldEnough": True}, False),
    ],
)
def test_the_schema_of_a_dataclass(document: dict[str, Any], valid: bool) -> None:
    schema = schema_of("weather", Weather)
    Draft202012Validator.check_schema(schema)

    assert Draft202012Validator(schema).is_valid({"subcommand": "weather", "good": True, **document}) is valid


@pytest.mark.parametrize("spaces", ["    ", ""])
def test_a_field_is_described_in_every_python(spaces: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the published descriptions: Python 3.13 and later strip a docstring's indentation, earlier ones do not.

    Source: https://docs.python.org/3/whatsnew/3.13.html, "Other Language Changes".
    """
    lines = "Attributes:", "    warm_enough: Whether a coat is needed; None where that", "        cannot be decided."
    monkeypatch.setattr(
        Weather, "__doc__", "\n".join(["A subcommand's output.", "", *(f"{spaces}{line}" for line in lines), ""])
    )
    schema = schema_of("weather", Weather)

    text = "Whether a coat is needed; null where that cannot be decided."
    assert schema["properties"]["warmEnough"]["description"] == text
