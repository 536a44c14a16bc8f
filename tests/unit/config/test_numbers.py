"""Account IDs without quotes: YAML reads 011112222333 as 1227433179, so that a Deny for that account never fires."""

from pathlib import Path
from typing import Any

import pytest

from config.located_mistake import LocatedMistake
from program.check import report_of

HEAD = """config:
  irsa:cluster: {name: my-cluster}
"""
ACCOUNT = "011112222333"
STATEMENT = "Effect: Deny, Action: 's3:*', Resource: '*'"


def mistakes(folder: Path, text: str) -> list[LocatedMistake]:
    file = folder / "Pulumi.dev.yaml"
    file.write_text(text)
    return list(report_of(file).mistakes)


TRUSTED = "Effect: Allow, Action: 'sts:AssumeRole', Principal: {AWS: '*'}"
# A binding, and what else stands in the file.
FRONT_DOORS = {
    "a condition of a policy": (
        "policy: {document: {Version: '2012-10-17', Statement: {" + STATEMENT + ", Condition: "
        "{StringNotEquals: {aws:ResourceAccount: X}}}}}",
        "",
    ),
    "one of several values": (
        "inlinePolicies: {p: {document: {Version: '2012-10-17', Statement: {" + STATEMENT + ", Condition: "
        "{'ForAnyValue:StringLikeIfExists': {aws:ResourceAccount: ['1', X]}}}}}}",
        "",
    ),
    "a condition of the trust": ("trust: {conditions: {StringEquals: {aws:PrincipalAccount: X}}}", ""),
    "a condition of a statement": (
        "trust: {statements: [{" + TRUSTED + ", Condition: {StringEquals: {aws:PrincipalAccount: X}}}]}",
        "",
    ),
    "a principal": ("trust: {statements: [{Effect: Allow, Action: 'sts:AssumeRole', Principal: {AWS: X}}]}", ""),
    "one of several principals": (
        "trust: {statements: [{Effect: Allow, Action: 'sts:AssumeRole', Principal: {AWS: ['*', X]}}]}",
        "",
    ),
    "the key of an AWS account": ("{}", "  irsa:accounts: {X: {profile: p}}\n"),
    "an AWS account": ("account: X", "  irsa:accounts: {'011112222333': {profile: p}}\n"),
    "a variable": ("{}", "  irsa:variables: {data: X}\n"),
    "a tag": ("role: {tags: {owner: X}}", ""),
    "the key of a tag": ("role: {tags: {X: owner}}", ""),
    "the key of a condition": ("trust: {conditions: {StringEquals: {X: a}}}", ""),
    "an account that is allowed": ("{}", "  aws:allowedAccountIds: [X]\n"),
    "an account that is forbidden": ("{}", "  aws:forbiddenAccountIds: ['111122223333', X]\n"),
    "the same for another engine": ("{}", "  aws:config:forbiddenAccountIds: '[\"111122223333\", 1227433179]'\n"),
}


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_an_account_id_without_quotes(tmp_path: Path, door: str) -> None:
    """Refuses the number that YAML makes of an account ID, at each place of the file that takes one."""
    keys, settings = FRONT_DOORS[door]
    binding = f"{{serviceAccount: {{name: app}}, {keys}}}" if keys != "{}" else "{serviceAccount: {name: app}}"
    text = f"{HEAD}  irsa:bindings:\n    app: {binding}\n{settings}"
    (mistake,) = mistakes(tmp_path, text.replace("X", ACCOUNT))

    assert "quotes" in mistake.mistake.fix
    assert mistake.line == next(
        number for number, line in enumerate(text.splitlines(), 1) if "X" in line or "1227433179" in line
    )
    if "1227433179" not in text:
        assert mistakes(tmp_path, text.replace("X", f'"{ACCOUNT}"')) == []


@pytest.mark.parametrize("key", ["5", "true", "1.5", "yes", "my-app", "'010'", '"2012-10-17"'])
def test_keys_that_stay_what_they_are(tmp_path: Path, key: str) -> None:
    """Protects keys that the engine reads as they are written, as `pulumi config --json` 3.259.0 shows."""
    text = f"{HEAD}  irsa:bindings:\n    app: {{serviceAccount: {{name: app}}, role: {{tags: {{{key}: x}}}}}}\n"

    assert mistakes(tmp_path, text) == []


# What `pulumi config --json` of Pulumi 3.259.0 makes of each key.
ENGINE = {
    "True": "true",
    "1.50": "1.5",
    "0x1F": "31",
    "1_000": "1000",
    "1e3": "1000",
    "007": "7",
    "1.0": "1",
    "-0": "0",
}


@pytest.mark.parametrize(("key", "read"), ENGINE.items())
def test_keys_that_the_engine_changes(tmp_path: Path, key: str, read: str) -> None:
    """Refuses a key that is another one in the deployment than in the file; the message says which."""
    text = f"{HEAD}  irsa:bindings:\n    app: {{serviceAccount: {{name: app}}, role: {{tags: {{{key}: x}}}}}}\n"
    (mistake,) = mistakes(tmp_path, text)

    assert mistake.mistake.found == f"the key {key} without quotes, which YAML reads as {read}"


@pytest.mark.parametrize(
    "setting", ["  cluster: {name: other}\n", "  irsa:config:cluster: {name: other}\n", "  irsa:cluster: {name: b}\n"]
)
def test_a_setting_in_two_spellings(tmp_path: Path, setting: str) -> None:
    """Refuses one setting twice, in whatever spelling: the engine takes the last one without a word."""
    text = f"{HEAD}  irsa:bindings:\n    app: {{serviceAccount: {{name: app}}}}\n{setting}"

    assert [(mistake.line, "twice" in mistake.mistake.found) for mistake in mistakes(tmp_path, text)] == [(5, True)]


def test_secret_account_ids_are_not_seen(tmp_path: Path) -> None:
    """Protects those who encrypt them."""
    values: list[Any] = ["[{secure: v1:x}]", "{secure: v1:x}", "['111122223333']", "[]"]
    for value in values:
        text = f"{HEAD}  aws:allowedAccountIds: {value}\n  irsa:bindings: {{app: {{serviceAccount: {{name: app}}}}}}\n"
        assert mistakes(tmp_path, text) == []


@pytest.mark.parametrize("value", ["111122223333", "'111122223333'", "{a: b}"])
def test_account_ids_are_a_list(tmp_path: Path, value: str) -> None:
    """Protects from one account without brackets, as `pulumi config set` writes it: the AWS provider takes a list."""
    text = f"{HEAD}  aws:allowedAccountIds: {value}\n  irsa:bindings: {{app: {{serviceAccount: {{name: app}}}}}}\n"
    (mistake,) = mistakes(tmp_path, text)

    assert mistake.mistake.allowed == 'a list: ["111122223333"]'
