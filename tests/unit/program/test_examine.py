import json
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET
from irsa_program.examine import examine
from tests.world import document

APP = {"serviceAccount": {"name": "app"}}
GOOD: dict[str, Any] = {"cluster": {"name": "cc"}, "bindings": {"app": APP}}


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"bindings": {"app": {**APP, "role": None}}}, ("bindings", "app", "role")),
        ({"bindings": {"app": {**APP, "role": {"name": None}}}}, ("bindings", "app", "role", "name")),
        ({"defaults": None}, ("defaults",)),
    ],
)
def test_a_key_without_a_value_is_one_mistake(tmp_path: Path, values: dict[str, Any], place: tuple[str, ...]) -> None:
    (mistake,) = examine({**GOOD, **values}, tmp_path).mistakes
    assert (mistake.place, mistake.mistake.found) == (place, "an empty value")


def test_a_secret_is_not_checked_and_is_no_mistake(tmp_path: Path) -> None:
    binding = {**APP, "role": {"description": SECRET, "path": "team"}}
    examination = examine({**GOOD, "bindings": {"app": binding}}, tmp_path)
    assert [mistake.place for mistake in examination.mistakes] == [("bindings", "app", "role", "path")]
    assert examination.not_checked == ["irsa:bindings.app.role.description: a secret"]
    assert examination.stack is None


EVERYTHING = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
WRONG = {**EVERYTHING, "Effect": "Alow"}


@pytest.mark.parametrize(
    ("file", "line"),
    [(json.dumps(document(WRONG, EVERYTHING), indent=0), 12), ('{"Version": "2012-10-17"', None)],
)
def test_a_mistake_in_a_file_hides_no_warning_of_the_rest(tmp_path: Path, file: str, line: int | None) -> None:
    (tmp_path / "p.json").write_text(file)
    policy = {"policy": {"file": "p.json"}}
    wide = {"trust": {"subjects": ["team-a:*"]}}
    values = {"cluster": {"name": "cc"}, "bindings": {"one": {**policy, **wide}, "two": {**policy, **wide}}}
    examination = examine(values, tmp_path)
    assert len(examination.mistakes) >= 1
    found = [(each.place[1], each.rule, each.line) for each in examination.warnings]
    in_file = [("write-everything", line)] if line else []
    assert found == [(key, *each) for key in ("one", "two") for each in [("wide-trust", None), *in_file]]
