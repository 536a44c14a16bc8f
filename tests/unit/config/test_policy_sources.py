from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET, WRONG
from irsa_config.policy_sources import PolicySources
from irsa_program.examine import Examination, examine
from tests.world import document

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${bucket}/*"}


def examined(folder: Path, binding: Any, **variables: Any) -> Examination:
    app = {"serviceAccount": {"name": "app"}, **binding}
    values = {"cluster": {"name": "cc"}, "variables": {"bucket": "b", **variables}, "bindings": {"app": app}}
    return examine(values, folder)


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b'{"Version": "2012-10-17",\n "Statement": [}', 2, "not JSON"),
        (b'{"Version": "2012-10-17",\n "Statement": {"Efect": "Allow"}}', 2, "'Efect'"),
        (b'{"Statement": "\\ud800"}', None, "surrogate"),
    ],
)
def test_a_mistake_in_a_file_is_reported_where_it_is(
    tmp_path: Path, content: bytes, line: int | None, word: str
) -> None:
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
        ("latin.json", "cannot read", "make it a readable file in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_at_the_key(tmp_path: Path, name: str, word: str, fix: str) -> None:
    (tmp_path / "policies.json").write_text("{}")
    (tmp_path / "latin.json").write_bytes(b'{"Id": "\xe4"}')
    read = PolicySources(tmp_path)
    bindings = read.with_documents({"app": {"policy": {"file": name}}})

    (mistake,) = read.mistakes
    assert (mistake.place, mistake.file) == (("bindings", "app", "policy", "file"), None)
    assert word in mistake.mistake.found
    assert fix in mistake.mistake.fix
    assert bindings["app"]["policy"]["document"] is WRONG


@pytest.mark.parametrize(
    ("identifier", "place"),
    [
        (SECRET, "app.policy.document.Id: a secret"),
        ("${hidden}", "app.policy.document.Id: it contains a secret variable"),
    ],
)
def test_what_is_beside_a_secret_in_a_document_is_judged(tmp_path: Path, identifier: Any, place: str) -> None:
    binding = {
        "policy": {"document": {**document(STATEMENT), "Id": identifier}},
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
