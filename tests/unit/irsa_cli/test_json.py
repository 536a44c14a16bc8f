"""What every subcommand prints for programs, against its published schema (docs/reference)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from irsa_cli.prove.proof import ASSUMES, IS_REFUSED
from irsa_cli.subcommands import installed
from irsa_cli.verify.kinds import CHECKS
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.report.json import as_json
from tests.output_schemas import REFERENCE, check_output


def test_each_subcommand_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    published = {file.name.removesuffix(".schema.json") for file in REFERENCE.glob("*.schema.json")}
    printing = set()
    for subcommand in installed():
        with pytest.raises(SystemExit):
            main([subcommand, "--help"])
        if "--json" in capsys.readouterr().out:
            printing.add(subcommand)

    assert published == printing
    assert "verify" in printing


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Return every object's schema."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for each in schema.values():
            yield from objects(each)


@pytest.mark.parametrize("file", sorted(REFERENCE.glob("*.schema.json")), ids=lambda file: file.name)
def test_a_schema_admits_only_keys_that_it_names_in_one_style(file: Path) -> None:
    for each in objects(json.loads(file.read_text())):
        assert each["additionalProperties"] is False
        assert [key for key in each["properties"] if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", key)] == []


@pytest.mark.parametrize(("subcommand", "kinds"), [("verify", CHECKS), ("prove", (ASSUMES, IS_REFUSED))])
def test_every_check_and_outcome(subcommand: str, kinds: tuple[str, ...]) -> None:
    checks = [Check("app", kind, outcome, "role app", "a", "b", "c") for kind in kinds for outcome in Outcome]
    document = check_output(subcommand, as_json(Report(subcommand, "dev", checks)))
    each = len(kinds)

    outcomes = "ok", "finding", "noPermission", "noAnswer", "cannotTell", "unproven", "notChecked"
    assert document["counts"] == dict.fromkeys(outcomes, each)
    assert document["good"] is False
