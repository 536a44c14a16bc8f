import json
from pathlib import Path
from typing import Any

from irsa.rules.unknown import WRONG
from irsa_config.scalars import other_key, scalar

# What Pulumi 3.259.0 makes of each scalar, as a value and as a key; "refused" where it refuses the file. The sandbox's
# tests ask the engine itself: tests/sandbox/test_mistakes_in_preview.py.
ENGINE: dict[str, tuple[Any, str]] = json.loads(Path(__file__).with_name("scalars_of_the_engine.json").read_text())


def test_a_plain_scalar_is_what_the_engine_makes_of_it() -> None:
    for text, (value, key) in ENGINE.items():
        read = scalar(text)
        if read is not WRONG:
            refused = repr(read) in ("inf", "-inf", "nan")
            assert refused if value == "refused" else (read, type(read)) == (value, type(value)), text
        assert other_key(text) or text == key
    assert scalar("2012-10-17") is WRONG
