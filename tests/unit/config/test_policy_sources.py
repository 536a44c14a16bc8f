"""Policy documents of a stack file: read from files, filled in, checked, and located."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.mistakes import Mistake, Place
from irsa.rules.unknown import SECRET, WRONG
from irsa_config.located_mistake import LocatedMistake
from irsa_config.policy_sources import PolicySources
from irsa_program.examine import Examination, examine

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${bucket}/*"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [STATEMENT]}


def examined(folder: Path, binding: Any, region: str | None = None, **variables: Any) -> Examination:
    """Return what is said of a binding."""
    app = {"serviceAccount": {"name": "app"}, **binding}
    values = {"cluster": {"name": "cc"}, "variables": {"bucket": "b", **variables}, "bindings": {"app": app}}
    return examine(values, folder, region)


def test_a_file_is_read_into_its_document(tmp_path: Path) -> None:
    """Protects `policy.file`: relative to the folder of Pulumi.yaml, beside the key that names it; others stay."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.json").write_text(json.dumps(DOCUMENT))
    read = PolicySources(tmp_path)
    policy = {"file": "policies/p.json", "name": "p"}
    bindings = read.with_documents({"app": {"policy": policy, "inlinePolicies": {"a": policy}}, "other": 5})

    assert bindings["app"]["policy"] == {**policy, "document": DOCUMENT}
    assert bindings["app"]["inlinePolicies"]["a"]["document"] == DOCUMENT
    assert bindings["other"] == 5
    assert read.mistakes == []


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b'{"Version": "2012-10-17",\n "Statement": [}', 2, "not JSON"),
        (b'{"Version": "2012-10-17",\n\n "Version": "2012-10-17"}', 3, "twice"),
        (b"[]", 1, "not a policy document"),
        (b'{"Version": "2012-10-17",\n "Statement": {"Efect": "Allow"}}', 2, "'Efect'"),
        (b'{"Statement": "\\ud800"}', None, "surrogate"),
    ],
)
def test_a_mistake_in_a_file_is_reported_where_it_is(
    tmp_path: Path, content: bytes, line: int | None, word: str
) -> None:
    """Protects the author of a policy: file and line of the mistake itself, once for all that use the file."""
    (tmp_path / "p.json").write_bytes(content)
    bindings = {key: {"serviceAccount": {"name": key}, "policy": {"file": "p.json"}} for key in ("one", "two")}
    mistakes = examine({"cluster": {"name": "cc"}, "bindings": bindings}, tmp_path).mistakes

    assert {mistake.file for mistake in mistakes} == {"p.json"}
    (mistake,) = [each for each in mistakes if word in each.mistake.found]
    assert line is None or mistake.line == line


@pytest.mark.parametrize(
    ("name", "word", "fix"),
    [
        ("polices.json", "no file", "did you mean 'policies.json'?"),
        ("nowhere/zzz.json", "no file", "create it, with an IAM policy in JSON"),
        ("folder", "not a regular file", "name the file itself"),
        ("latin.json", "cannot read", "make it a readable file in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_at_the_key(tmp_path: Path, name: str, word: str, fix: str) -> None:
    (tmp_path / "policies.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.json").write_bytes(b'{"Id": "\xe4"}')
    read = PolicySources(tmp_path)
    bindings = read.with_documents({"app": {"policy": {"file": name}}})

    (mistake,) = read.mistakes
    assert (mistake.place, mistake.file) == (("bindings", "app", "policy", "file"), None)
    assert word in mistake.mistake.found
    assert fix in mistake.mistake.fix
    assert bindings["app"]["policy"]["document"] is WRONG


def advice(folder: Path, name: str) -> str:
    read = PolicySources(folder)
    read.with_documents({"app": {"policy": {"file": name}}})
    return read.mistakes[0].mistake.fix


NAMES = ["s3-read", "sqs-consumer", "dynamodb-orders", "kms", "str-big", "billing", "x-ray"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", ["", "policies/", "policies/team-a/"])
def test_a_file_that_is_near_is_named_as_the_user_writes_it(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "tests").mkdir()
    for each in NAMES:
        (tmp_path / folder / f"{each}.json").write_text("{}")
    (tmp_path / "tests" / f"{name}x.json").write_text("{}")
    for each in (f"{name}s.json", f"{name.upper()}.json", f"{name}.jsn", name, f"{name}.yaml"):
        assert advice(tmp_path, f"{folder}{each}") == f"did you mean '{folder}{name}.json'?"
    (tmp_path / folder / f"{name}.json").unlink()
    assert advice(tmp_path, f"{folder}{name}.json") == "create it, with an IAM policy in JSON"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_in_another_folder_is_named_with_that(tmp_path: Path, name: str) -> None:
    for folder in ("policies", "empty", f"empty/{name}.json"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    (tmp_path / "project/link").symlink_to(tmp_path)
    (tmp_path / f"{name}.json").write_text("{}")
    for wrong in ("", "polices/", "empty/deeper/"):
        assert advice(tmp_path / "project", f"{wrong}{name}.json") == "create it, with an IAM policy in JSON"
    (tmp_path / f"project/policies/{name}.json").write_text("{}")
    for wrong in ("", "polices/", "empty/deeper/"):
        assert advice(tmp_path / "project", f"{wrong}{name}.json") == f"did you mean 'policies/{name}.json'?"


@pytest.mark.parametrize(
    ("binding", "place"),
    [
        ({"policy": {"document": {**DOCUMENT, "Version": "x"}}}, ("policy", "document", "Version")),
        (
            {"inlinePolicies": {"a": {"document": {**DOCUMENT, "Statement": []}}}},
            ("inlinePolicies", "a", "document", "Statement"),
        ),
        (
            {"policy": {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": ["*", "${bukket}"]}]}}},
            ("policy", "document", "Statement", 0, "Resource", 1),
        ),
        ({"trust": {"conditions": {"StringEqual": {"a": "b"}}}}, ("trust", "conditions", "StringEqual")),
        ({"trust": {"conditions": {"StringEquals": {"x:sub": "a"}}}}, ("trust", "conditions")),
        ({"trust": {"statements": [{**STATEMENT, "Principal": "*"}]}}, ("trust", "statements", 0, "Resource")),
        (
            {"trust": {"conditions": {"StringEquals": {"aws:${x}": "b"}}}},
            ("trust", "conditions", "StringEquals", "aws:${x}"),
        ),
    ],
)
def test_a_mistake_in_the_stack_file_is_reported_there(tmp_path: Path, binding: dict[str, Any], place: Place) -> None:
    mistakes = examined(tmp_path, binding).mistakes

    assert ("bindings", "app", *place) in [mistake.place for mistake in mistakes]
    assert all(mistake.file is None for mistake in mistakes)


def test_a_resource_of_another_partition_is_reported_where_the_region_is_known(tmp_path: Path) -> None:
    document = {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": "arn:aws:s3:::b"}]}
    for region, count in (("cn-north-1", 1), ("us-west-2", 0), (None, 0)):
        assert len(examined(tmp_path, {"policy": {"document": document}}, region).mistakes) == count


@pytest.mark.parametrize(
    ("identifier", "place"),
    [
        (SECRET, "app.policy.document.Id: a secret"),
        ("${hidden}", "app.policy.document.Id: it contains a secret variable"),
    ],
)
def test_what_is_beside_a_secret_in_a_document_is_judged(tmp_path: Path, identifier: Any, place: str) -> None:
    """Protects secrets: what the engine alone can read is named as not checked, and is no mistake."""
    binding = {
        "policy": {"document": {**DOCUMENT, "Id": identifier}},
        "trust": {"conditions": {"StringEquals": SECRET}},
    }
    found = examined(tmp_path, binding, hidden=SECRET)

    assert found.mistakes == []
    assert {f"irsa:bindings.{place}", "irsa:bindings.app.trust.conditions.StringEquals: a secret"} <= {
        *found.not_checked
    }
    binding["policy"]["document"]["Version"] = "x"
    (mistake,) = examined(tmp_path, binding, hidden=SECRET).mistakes
    assert mistake.place[-1] == "Version"


def test_a_statement_that_is_too_long_is_one_of_a_managed_policy_only(tmp_path: Path) -> None:
    """Protects the quotas: 6,144 characters of a managed policy, and more of the inline ones.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    source = {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": f"arn:aws:s3:::{'x' * 6200}"}]}}
    (mistake,) = examined(tmp_path, {"policy": source, "inlinePolicies": {"a": source}}).mistakes
    assert mistake.place == ("bindings", "app", "policy", "document", "Statement")
    assert "statement 0 alone" in mistake.mistake.found


def test_a_place_in_a_file_and_one_in_the_stack_file(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"Version": "2012-10-17",\n "Statement": [\n  ' + json.dumps(STATEMENT) + "]}")
    read = PolicySources(tmp_path)
    read.with_documents({"app": {"policy": {"file": "p.json"}}})
    source: Place = ("bindings", "app", "policy")
    mistake, part = Mistake("F", "A", "D"), ("Statement", 0, "Action")

    located = read.in_file(LocatedMistake((*source, "document", *part), mistake, rule="unknown-action"))
    assert (located.file, located.line, located.within) == ("p.json", 3, ("Statement", 0, "Action"))
    assert (located.place, located.rule) == ((*source, "file"), "unknown-action")
    here = LocatedMistake(("bindings", "app", "inlinePolicies", "a", "document", "Version"), mistake)
    assert read.in_file(here) == here


@pytest.mark.parametrize(
    "binding",
    [
        None,
        5,
        {"policy": 5},
        {"policy": {"file": 5}},
        {"inlinePolicies": [], "trust": []},
        {"trust": {"statements": 5}},
    ],
)
def test_values_of_any_shape(tmp_path: Path, binding: Any) -> None:
    read = PolicySources(tmp_path)
    read.with_documents({"app": binding})
    assert read.mistakes == []
    assert examine({"cluster": {"name": "cc"}, "bindings": {"app": binding}}, tmp_path).mistakes
