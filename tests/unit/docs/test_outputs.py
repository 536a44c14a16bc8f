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
