import json
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.mistakes import path_of
from irsa.rules.unknown import SECRET
from irsa_program.examine import examine

APP = {"serviceAccount": {"name": "app"}}
GOOD: dict[str, Any] = {"cluster": {"name": "cc"}, "bindings": {"app": APP}}


def places(values: dict[str, Any], folder: Path) -> set[tuple[str | int, ...]]:
    return {mistake.place for mistake in examine(values, folder).mistakes}


@pytest.mark.parametrize("place", [("bindings", "app", "role"), ("bindings", "app", "role", "name"), ("defaults",)])
def test_a_key_without_a_value_is_one_mistake(tmp_path: Path, place: tuple[str, ...]) -> None:
    values: dict[str, Any] = {
        "cluster": {"name": "cc"},
        "bindings": {"app": {**APP, "role": {"path": "/"}}},
        "defaults": {},
    }
    container = values
    for key in place[:-1]:
        container = container[key]
    container[place[-1]] = None
    (mistake,) = examine(values, tmp_path).mistakes
    assert (mistake.place, mistake.mistake.found) == (place, "an empty value")


def test_a_secret_is_not_checked_and_is_no_mistake(tmp_path: Path) -> None:
    binding = {**APP, "role": {"description": SECRET, "path": "team"}}
    examination = examine({**GOOD, "bindings": {"app": binding}}, tmp_path)
    assert [mistake.place for mistake in examination.mistakes] == [("bindings", "app", "role", "path")]
    assert examination.not_checked == ["irsa:bindings.app.role.description: a secret"]
    assert examination.stack is None


EVERYTHING = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
WRONG: list[dict[str, Any]] = [
    {"Effect": "Alow", "Action": "s3:*", "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${bukket}"},
    {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringEqual": {"aws:x": "y"}}},
]


def document_of(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_in_a_document_hides_no_warning_of_the_rest(tmp_path: Path, wrong: dict[str, Any]) -> None:
    binding = {
        "serviceAccount": {"name": "app"},
        "policy": {"document": document_of(wrong, EVERYTHING)},
        "inlinePolicies": {
            "other": {"document": document_of(EVERYTHING)},
            "single": {"document": {**document_of(), "Statement": EVERYTHING}},
        },
        "trust": {"subjects": ["team-a:*"]},
    }
    examination = examine({"cluster": {"name": "cc"}, "bindings": {"app": binding}}, tmp_path)
    assert len(examination.mistakes) == 1
    assert examination.stack is None
    assert [path_of(warning.place[2:]) for warning in examination.warnings if warning.rule != "attached-twice"] == [
        "trust.subjects[0]",
        "policy.document.Statement[1].Resource",
        "inlinePolicies.other.document.Statement[0].Resource",
        "inlinePolicies.single.document.Statement.Resource",
    ]


@pytest.mark.parametrize(
    ("file", "line"),
    [(json.dumps(document_of(WRONG[0], EVERYTHING), indent=0), 12), ('{"Version": "2012-10-17"', None)],
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


@pytest.mark.parametrize(
    ("role", "found"), [(SECRET, set()), ({"tags": SECRET, "description": SECRET}, {("defaults", "tags", "A")})]
)
def test_a_secret_in_place_of_tags(tmp_path: Path, role: Any, found: Any) -> None:
    """The attack: a secret role or secret tags, with defaults whose tag keys collide, which ended in a traceback.

    A role that is secret may be an existing one, which gets no tags.
    """
    values = {**GOOD, "defaults": {"tags": {"a": "x", "A": "y"}}, "bindings": {"app": {**APP, "role": role}}}

    secret = ("bindings", "app", "role") if role is SECRET else ("bindings", "app", "role", "tags")
    assert places(values, tmp_path) == {*found, secret}


@pytest.mark.parametrize(
    ("binding", "place"),
    [({"import": 5}, ("bindings", "app", "import")), ({"account": "data"}, ("accounts", "data", "assumeRoleArn"))],
)
def test_a_wrong_setting_in_several_clusters(tmp_path: Path, binding: dict[str, Any], place: Any) -> None:
    clusters = {key: {"name": key, "kubernetes": {"context": key}} for key in ("blue", "green")}
    accounts = {"data": {"assumeRoleArn": 5 if "account" in binding else "arn:aws:iam::111122223333:role/r"}}
    values = {"clusters": clusters, "accounts": accounts, "bindings": {"app": {**APP, **binding}}}
    assert places(values, tmp_path) == {place}
