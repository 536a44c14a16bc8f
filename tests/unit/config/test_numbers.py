"""Strings without quotes: YAML reads 011112222333 as 1227433179, so that a Deny for that account never fires."""

from pathlib import Path

import pytest

from irsa_config.located_mistake import LocatedMistake
from irsa_program.check_report import report_of

HEAD = """config:
  irsa:cluster: {name: my-cluster}
"""
ACCOUNT = "011112222333"
STATEMENT = "Effect: Deny, Action: 's3:*', Resource: '*'"


def mistakes(folder: Path, text: str) -> list[LocatedMistake]:
    file = folder / "Pulumi.dev.yaml"
    file.write_text(text)
    return list(report_of(file).mistakes)


TRUSTED = "Effect: Deny, Action: 'sts:AssumeRole', Principal: {AWS: '*'}"
# A binding, or another setting of the file.
FRONT_DOORS = {
    "a condition of a policy": (
        f"policy: {{document: {{Version: '2012-10-17', Statement: {{{STATEMENT}, Condition: "
        "{StringNotEquals: {aws:ResourceAccount: X}}}}}"
    ),
    "one of several values": (
        f"inlinePolicies: {{p: {{document: {{Version: '2012-10-17', Statement: {{{STATEMENT}, Condition: "
        "{'ForAnyValue:StringLikeIfExists': {aws:ResourceAccount: ['1', X]}}}}}}"
    ),
    "a condition of a statement": (
        f"trust: {{statements: [{{{TRUSTED}, Condition: {{StringEquals: {{aws:PrincipalAccount: X}}}}}}]}}"
    ),
    "a principal": "trust: {statements: [{Effect: Allow, Action: 'sts:AssumeRole', Principal: {AWS: X}}]}",
    "one of several principals": (
        "trust: {statements: [{Effect: Deny, Action: 'sts:AssumeRole', Principal: {AWS: ['*', X]}}]}"
    ),
    "the key of an AWS account": "irsa:accounts: {X: {profile: p}}",
    "a variable": "irsa:variables: {data: X}",
    "a tag": "role: {tags: {owner: X}}",
    "the key of a tag": "role: {tags: {X: owner}}",
    "the key of a condition": "trust: {conditions: {StringEquals: {X: a}}}",
    "an account that is allowed": "aws:allowedAccountIds: [X]",
    "an account that is forbidden": "aws:forbiddenAccountIds: ['111122223333', X]",
    "the same for another engine": "aws:config:forbiddenAccountIds: '[\"111122223333\", 1227433179]'",
}


def file_with(setting: str) -> str:
    """Return a stack file with a setting of its binding on line 4, or of the file on line 5."""
    own, of_file = ("", f"  {setting}\n") if setting.startswith(("irsa:", "aws:")) else (f", {setting}", "")
    return f"{HEAD}  irsa:bindings:\n    app: {{serviceAccount: {{name: app}}{own}}}\n{of_file}"


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_an_account_id_without_quotes(tmp_path: Path, door: str) -> None:
    text = file_with(FRONT_DOORS[door])
    (mistake,) = mistakes(tmp_path, text.replace("X", ACCOUNT))

    assert "quotes" in mistake.mistake.fix
    assert mistake.line == (5 if FRONT_DOORS[door].startswith(("irsa:", "aws:")) else 4)
    if "X" in text:
        assert mistakes(tmp_path, text.replace("X", f'"{ACCOUNT}"')) == []


@pytest.mark.parametrize("key", ["5", "true", "yes", "my-app", "'010'", '"2012-10-17"'])
def test_keys_that_stay_what_they_are(tmp_path: Path, key: str) -> None:
    assert mistakes(tmp_path, file_with(f"role: {{tags: {{{key}: x}}}}")) == []


OWNER, TIME = "role: {tags: {owner: X}}", "trust: {conditions: {DateLessThan: {aws:CurrentTime: X}}}"


# As the engine reads them, and writes what it read: scalars_of_the_engine.json.
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-12-31T23:59:59Z", "a date"),
        ("2026-12-31", "a date"),
        ("010", "another number"),
        (".inf", ""),
    ],
)
@pytest.mark.parametrize("setting", [OWNER, TIME])
def test_a_string_that_the_engine_changes(tmp_path: Path, setting: str, text: str, read: str) -> None:
    file = file_with(setting)
    (mistake,) = mistakes(tmp_path, file.replace("X", text))

    assert mistake.line == 4
    assert mistake.mistake.fix == f'put it in quotes: "{text}"'
    why = f"which YAML reads as {read}" if read else "for which the engine refuses the whole file"
    assert mistake.mistake.found == f"{text} without quotes, {why}"
    assert mistakes(tmp_path, file.replace("X", f'"{text}"')) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31 00:00:00 +0000 UTC",
        "2026-12-31 23:59:59.5 +0000 UTC",
        "2026-12-31 23:59:59 -0530 -0530",
    ],
)
def test_a_date_that_the_engine_has_written(tmp_path: Path, text: str) -> None:
    """`pulumi config set` saves the whole file, with this in place of a date without quotes."""
    (mistake,) = mistakes(tmp_path, file_with(TIME).replace("X", text))

    assert (mistake.line, mistake.mistake.fix) == (4, 'write what is meant in quotes: "2026-12-31"')


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("role: {tags: {1.5: x}}", 4),
        ("role: {tags: {2026-12-31: x}}", 4),
        ("aws:defaultTags: {tags: {until: 2026-12-31}}", 5),
        ("aws:region: 2026-12-31", 5),
        ("aws:allowedAccountIds: [2026-12-31]", 5),
        ("aws:defaultTags: {tags: {010: x}}", 5),
    ],
)
def test_a_key_or_a_tag_that_the_engine_changes(tmp_path: Path, setting: str, line: int) -> None:
    (mistake,) = mistakes(tmp_path, file_with(setting))

    assert (mistake.line, "put it in quotes" in mistake.mistake.fix) == (line, True)


def test_what_the_engine_changes_of_another_program(tmp_path: Path) -> None:
    assert mistakes(tmp_path, file_with("aws:region: us-west-2\n  gcp:x: {1.5: {<<: {010: 2026-12-31}}}")) == []


@pytest.mark.parametrize("text", ["5", "-1", "1.5", "true", "2026-12", "1:30"])
def test_what_the_engine_leaves_as_it_is_needs_no_quotes(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, file_with(TIME).replace("X", text)) == []


APP = "  irsa:bindings: {app: {serviceAccount: {name: app}}}\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"{HEAD}  gcp:a: [{{b: -.INF}}]\n{APP}", 3, "refuses the whole file"),
        (f"{HEAD}config:\n  irsa:sandbox: true\n{APP}", 3, "the key 'config' twice, on lines 1 and 3"),
        (f"secretsprovider: a\nsecretsprovider: b\n{HEAD}{APP}", 2, "'secretsprovider' twice, on lines 1 and 2"),
        (f"{HEAD}  aws:defaultTags: {{tags: {{a: x, 'a': y}}}}\n{APP}", 3, "the key 'a' twice, on lines 3 and 3"),
        *((f"{HEAD}{APP}  {each}: {{name: bb}}\n", 4, "twice") for each in ("cluster", "irsa:config:cluster")),
    ],
)
def test_what_the_engine_refuses_or_reads_once(tmp_path: Path, text: str, line: int, words: str) -> None:
    assert (line, True) in [(each.line, words in each.mistake.found) for each in mistakes(tmp_path, text)]


@pytest.mark.parametrize("value", ["111122223333", "'111122223333'", "{a: b}"])
def test_account_ids_are_a_list(tmp_path: Path, value: str) -> None:
    text = f"{HEAD}  aws:allowedAccountIds: {value}\n  irsa:bindings: {{app: {{serviceAccount: {{name: app}}}}}}\n"
    (mistake,) = mistakes(tmp_path, text)

    assert mistake.mistake.allowed == 'a list: ["111122223333"]'
