"""Policy documents of a stack file: read from files, filled in, checked, and located."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.policy_sources import PolicySources
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.unknown import SECRET, check_variables

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${bucket}/*"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [STATEMENT]}


def sources(folder: Path, region: str | None = None, **variables: Any) -> PolicySources:
    return PolicySources(folder, check_variables({"variables": {"bucket": "b", **variables}}, region))


def of(binding: Any) -> dict[str, Any]:
    return {"app": binding}


def test_a_file_is_read_into_its_document(tmp_path: Path) -> None:
    """Protects `policy.file`: relative to the folder of Pulumi.yaml, beside the key that names it; others stay."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.json").write_text(json.dumps(DOCUMENT))
    read = sources(tmp_path)
    policy = {"file": "policies/p.json", "name": "p"}
    bindings = read.with_documents({"app": {"policy": policy, "inlinePolicies": {"a": policy}}, "other": 5})

    assert bindings["app"]["policy"] == {**policy, "document": DOCUMENT}
    assert bindings["app"]["inlinePolicies"]["a"]["document"] == DOCUMENT
    assert bindings["other"] == 5
    assert (read.mistakes, read.not_checked, read.remainders) == ([], [], {})
    assert read.with_samples(DOCUMENT)["Statement"][0]["Resource"] == "arn:aws:s3:::b/*"
    assert read.parts(("bindings", "app", "policy"), DOCUMENT) == 1


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
    read = sources(tmp_path)
    read.with_documents({key: {"policy": {"file": "p.json"}} for key in ("one", "two")})

    assert {mistake.file for mistake in read.mistakes} == {"p.json"}
    (mistake,) = [each for each in read.mistakes if word in each.mistake.found]
    assert line is None or mistake.line == line
    assert {place[1] for place in read.remainders} == {"one", "two"}


@pytest.mark.parametrize(
    ("name", "word", "fix"),
    [
        ("polices.json", "no file", "did you mean 'policies.json'?"),
        ("nowhere/zzz.json", "no file", "create it"),
        ("folder", "not a regular file", "name the file itself"),
        ("latin.json", "cannot read", "check the file"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_at_the_key(tmp_path: Path, name: str, word: str, fix: str) -> None:
    """Protects the reader: the line that names the file is the one to change, and the file that is meant is near."""
    (tmp_path / "policies.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.json").write_bytes(b'{"Id": "\xe4"}')
    read = sources(tmp_path)
    read.with_documents(of({"policy": {"file": name}}))

    (mistake,) = read.mistakes
    assert (mistake.place, mistake.file) == (("bindings", "app", "policy", "file"), None)
    assert word in mistake.mistake.found
    assert fix in mistake.mistake.fix
    assert read.remainders == {("bindings", "app", "policy"): {}}


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
    """Protects inline documents and trust: the place in the stack file, down to the item, unknown variables too."""
    read = sources(tmp_path)
    read.with_documents(of(binding))

    assert ("bindings", "app", *place) in [mistake.place for mistake in read.mistakes]
    assert all(mistake.file is None for mistake in read.mistakes)


def test_a_resource_of_another_partition_is_reported_where_the_region_is_known(tmp_path: Path) -> None:
    """Protects users in China: a policy of the partition `aws` gives no permission there."""
    document = {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": "arn:aws:s3:::b"}]}
    for region, count in (("cn-north-1", 1), ("us-west-2", 0), (None, 0)):
        read = sources(tmp_path, region)
        read.with_documents(of({"policy": {"document": document}}))
        assert len(read.mistakes) == count


@pytest.mark.parametrize("secret", [{**DOCUMENT, "Id": SECRET}, {**DOCUMENT, "Id": "${hidden}"}])
def test_a_document_with_a_secret_is_not_judged(tmp_path: Path, secret: dict[str, Any]) -> None:
    """Protects secrets: what the engine alone can read is named as not checked, and is no mistake."""
    read = sources(tmp_path, hidden=SECRET)
    read.with_documents(
        of({"policy": {"document": {**secret, "Version": "x"}}, "trust": {"conditions": {"x": SECRET}}})
    )

    assert read.mistakes == []
    assert read.not_checked == [("bindings", "app", "policy"), ("bindings", "app", "trust", "conditions")]
    assert read.unusable_bindings == {"app"}


def test_a_statement_that_is_too_long_is_one_of_a_managed_policy_only(tmp_path: Path) -> None:
    """Protects the quotas: 6,144 characters of a managed policy, and more of the inline ones.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    source = {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": f"arn:aws:s3:::{'x' * 6200}"}]}}
    read = sources(tmp_path)
    read.with_documents(of({"policy": source, "inlinePolicies": {"a": source}}))
    assert [mistake.place for mistake in read.mistakes] == [("bindings", "app", "policy", "document", "Statement")]
    with pytest.raises(Mistake, match="statement 0 alone"):
        sources(tmp_path).parts(("bindings", "app", "policy"), source["document"])


def test_a_place_in_a_file_and_one_in_the_stack_file(tmp_path: Path) -> None:
    """Protects lint warnings, which are located after the check: in the policy's own file with its line, or here."""
    (tmp_path / "p.json").write_text('{"Version": "2012-10-17",\n "Statement": [\n  ' + json.dumps(STATEMENT) + "]}")
    read = sources(tmp_path)
    read.with_documents(of({"policy": {"file": "p.json"}}))
    source: Place = ("bindings", "app", "policy")

    located = read.locate(source, ("Statement", 0, "Action"), Mistake("F", "A", "D"), "unknown-action")
    assert (located.file, located.line, located.within) == ("p.json", 3, ("Statement", 0, "Action"))
    assert (located.place, located.rule) == ((*source, "file"), "unknown-action")
    here = read.locate(("bindings", "app", "inlinePolicies", "a"), ("Version",), Mistake("F", "A", "D"))
    assert (here.file, here.place) == (None, ("bindings", "app", "inlinePolicies", "a", "document", "Version"))


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
    """Protects from a traceback: what is of another shape stays as it is, and the models report it."""
    read = sources(tmp_path)
    assert read.with_documents(of(binding)) == of(binding)
    assert read.mistakes == []
