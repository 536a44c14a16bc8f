"""What the subcommands print for programs, checked against the schemas that are published."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def check_output(subcommand: str, text: str) -> dict[str, Any]:
    schema = json.loads((REFERENCE / f"{subcommand}.schema.json").read_text())
    document: dict[str, Any] = json.loads(text)
    problems = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]
    assert not problems, problems
    return document
