"""From the values of a stack file to settings, or to all of its mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.mistakes import path_of
from irsa.rules.unknown import SECRET
from irsa_program.examine import examine

APP = {"serviceAccount": {"name": "app"}}
READS = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
GOOD: dict[str, Any] = {"cluster": {"name": "cc"}, "bindings": {"app": APP}}


def places(values: dict[str, Any], folder: Path) -> set[tuple[str | int, ...]]:
    return {mistake.place for mistake in examine(values, folder).mistakes}


def test_mistakes_of_every_kind_are_reported_together(tmp_path: Path) -> None:
    values = {
        **GOOD,
        "accounts": {"a": {}},
        "bindings": {
            "key": {"serviceAccount": {"nam": "a"}},
            "between": {**APP, "role": {"name": "a", "namePrefix": "b"}},
            "document": {"serviceAccount": {"name": "b"}, "policy": {"document": {}}},
            "file": {"serviceAccount": {"name": "c"}, "policy": {"file": "none.json"}},
            "quota": {"trust": {"subjects": [f"a:{'x' * 60}{number}" for number in range(40)]}},
        },
    }
    assert {("accounts", "a")} | {place[:2] for place in places(values, tmp_path)} == {
        ("accounts", "a"),
        *(("bindings", name) for name in values["bindings"]),
    }


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


@pytest.mark.parametrize("key", ["Statement", "document", "policyArns", 5])
@pytest.mark.parametrize("arn", ["x", "", 3, [], {"a": "b"}, "${x}"])
def test_a_policy_that_is_wrong_is_told_whatever_its_key(tmp_path: Path, key: Any, arn: Any) -> None:
    """Protects from a traceback of a lint rule: it read the ARN, as the plan took the key for that of a document."""
    values = {**GOOD, "bindings": {"app": {**APP, "policyArns": {key: arn}}}}
    assert {tuple(map(str, each)) for each in places(values, tmp_path)} == {("bindings", "app", "policyArns", str(key))}


@pytest.mark.parametrize("wrong", [3, "x", SECRET, [], {"a": 3}])
@pytest.mark.parametrize("part", ["role", "policy", "podIdentity"])
def test_defaults_that_are_wrong_hide_no_tag_of_a_binding(tmp_path: Path, part: str, wrong: Any) -> None:
    binding = {**APP, "identity": "podIdentity", part: {"tags": {"\n": "x"}}}
    values = {**GOOD, "defaults": {"tags": wrong}, "bindings": {"app": binding}}
    assert ("bindings", "app", part, "tags", "\n") in places(values, tmp_path)


class Compared(str):
    """A text that counts how often it is compared."""

    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str.__eq__(self, other)


@pytest.mark.parametrize("clusters", [{"cluster": {"name": "cc"}}, {"clusters": {"a": {"name": "aa"}}}])
def test_many_wrong_items_of_import_are_not_compared_with_each_other(tmp_path: Path, clusters: dict[str, Any]) -> None:
    items = ["serviceAccount", *(Compared(f"x{number}") for number in range(100))]
    binding = {**APP, "role": {"name": "r"}, "import": items}
    Compared.times = 0
    wrong = {("bindings", "app", "import", 1 + number) for number in range(100)}
    assert places({**clusters, "bindings": {"app": binding}}, tmp_path) == wrong
    assert Compared.times < 100 * len(items)


@pytest.mark.parametrize("several", [False, True])
def test_what_an_existing_role_excludes_is_one_mistake(tmp_path: Path, several: bool) -> None:
    document = {"document": document_of({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"})}
    excluded = {
        "role.name": "app",
        "role.permissionsBoundary": "arn:aws:iam::111122223333:policy/b",
        "policy": document,
        "policies": [{"addOn": "aws-load-balancer-controller"}],
        **READS,
        "inlinePolicies": {"read": document},
        "assumeRoleArns": ["arn:aws:iam::444455556666:role/data"],
        "trust.subjects": ["team-a:web"],
        "trust.conditions": {"StringEquals": {"aws:SourceVpc": "vpc-0"}},
    }
    binding: dict[str, Any] = {**APP}
    for key, value in excluded.items():
        outer, _, inner = key.partition(".")
        binding[outer] = {**binding.get(outer, {}), inner: value} if inner else value
    cluster = {"name": "cc", "kubernetes": {"context": "blue"}}
    of_two = {"clusters": {"blue": cluster, "green": {**cluster, "kubernetes": {"context": "green"}}}}
    values = {**(of_two if several else {"cluster": cluster}), "bindings": {"app": binding}}
    assert examine(values, tmp_path).mistakes == []

    binding["role"]["arn"] = "arn:aws:iam::111122223333:role/theirs"
    ((place, mistake),) = [(each.place, each.mistake) for each in examine(values, tmp_path).mistakes]
    assert place == ("bindings", "app", "role", "arn")
    assert [key for key in excluded if key not in mistake.found] == []


def test_a_secret_is_not_checked_and_is_no_mistake(tmp_path: Path) -> None:
    binding = {**APP, "role": {"description": SECRET, "path": "team"}}
    examination = examine({**GOOD, "bindings": {"app": binding}}, tmp_path)
    assert [mistake.place for mistake in examination.mistakes] == [("bindings", "app", "role", "path")]
    assert examination.not_checked == ["irsa:bindings.app.role.description: a secret"]
    assert examination.stack is None


def test_a_mistake_in_a_binding_hides_no_warning(tmp_path: Path) -> None:
    wide = {"trust": {"subjects": ["team-a:*"]}, **READS}
    values = {**GOOD, "bindings": {"wrong": {"serviceAccount": {"name": "A"}}, "wide": wide}}
    examination = examine(values, tmp_path)
    assert [warning.place[:2] for warning in examination.warnings] == [("bindings", "wrong"), ("bindings", "wide")]


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


def test_messages_spell_arguments_as_the_stack_file_does(tmp_path: Path) -> None:
    """Protects users of YAML from Python's names in the advice."""
    values = {**GOOD, "bindings": {"app": {"serviceAccount": {"name": "web-*"}}}}
    (mistake,) = examine(values, tmp_path).mistakes
    assert "trust.subjects" in mistake.mistake.fix
    assert mistake.mistake.arguments == ()


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_bindings_of_any_shape(tmp_path: Path, value: Any) -> None:
    assert ("bindings",) in places({"cluster": {"name": "cc"}, "bindings": value}, tmp_path)
    assert ("bindings",) in places({"cluster": {"name": "cc"}}, tmp_path)


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
