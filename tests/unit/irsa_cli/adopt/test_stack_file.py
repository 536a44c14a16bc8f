"""The stack file: what is there stays line by line, and what is added is read back by irsa and by Pulumi."""

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.adopt.stack_file import AdoptedFile
from irsa_config.stack_file import StackFile
from irsa_world.exits import CouldNotLookError
from tests.unit.irsa_cli.adopt.scene import AWS_ACCOUNT

BINDING = {
    "role": {"name": "app", "tags": {"2012-10-17": "yes", "n": "0123", "e": "", "c": "a: b # c"}},
    "clusters": ["*"],
}
ADDED: dict[str, Any] = {"bindings": {"new": BINDING}}


def file(folder: Path, text: str | None = None) -> AdoptedFile:
    path = folder / "Pulumi.prod.yaml"
    if text is not None:
        path.write_bytes(text.encode())
    return AdoptedFile(path)


FILES = {
    "with comments": (
        "# first\nconfig:\n  irsa:bindings:\n    # of a\n    a: {role: {name: 'a'}} # one\n"
        "    # last of the bindings\n\n"
        "  # of the region\n  aws:region:   us-west-2\n\nenvironment:\n  - x\n"
    ),
    "without a line break at the end": "config:\n  irsa:bindings:\n    a:\n      role:\n        name: a",
    "with line breaks of Windows": "config:\r\n  irsa:bindings:\r\n    a:\r\n      role: {}\r\n",
    "with lists that are not indented": "config:\n  irsa:bindings:\n    a:\n      policyArns:\n      - x\n",
    "with a block of text at the end": "config:\n  irsa:bindings:\n    a:\n      x: |\n        one\n\n        # two\n",
    "with an anchor": "config:\n  irsa:bindings:\n    a: &a\n      role: {}\n    b: *a\n",
    "with wide indentation": "config:\n    irsa:bindings:\n        a:\n            role: {}\n    irsa:cluster: {}\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_what_is_there_stays(text: str, tmp_path: Path) -> None:
    new = file(tmp_path, text).with_additions("us-west-2", AWS_ACCOUNT, ADDED)

    before, after = text.splitlines(), new.splitlines()
    assert [line for line in difflib.ndiff(before, after) if line.startswith("-")] == []
    bindings = yaml.safe_load(new)["config"]["irsa:bindings"]
    assert bindings.pop("new") == BINDING
    assert bindings == yaml.safe_load(text)["config"]["irsa:bindings"]
    assert {*yaml.safe_load(new)["config"]} == {*yaml.safe_load(text)["config"], "aws:allowedAccountIds"}


def test_a_setting_of_another_spelling_is_added_to(tmp_path: Path) -> None:
    text = "config:\n  irsa:config:bindings:\n    a: {}\n  aws:config:allowedAccountIds: []\n"
    new = file(tmp_path, text).with_additions("us-west-2", AWS_ACCOUNT, ADDED)

    assert list(yaml.safe_load(new)["config"]) == ["irsa:config:bindings", "aws:config:allowedAccountIds"]


@pytest.mark.parametrize(
    "text",
    [None, "", "# nothing yet\n", "config:\n", "config: {}\n", "environment: [x]\n", "config:\n  irsa:bindings: {}\n"],
)
def test_what_is_missing_is_made(text: str | None, tmp_path: Path) -> None:
    """The AWS provider accepts one AWS account: a list of strings, https://www.pulumi.com/registry/packages/aws/api-docs/provider/.

    An ID that begins with 0 would be an octal number without quotes.
    """
    new = file(tmp_path, text).with_additions("us-west-2", "012345670123", ADDED)
    (tmp_path / "Pulumi.read.yaml").write_text(new)
    # irsa's reader reads YAML as the engine does.
    read = StackFile(tmp_path / "Pulumi.read.yaml")

    assert yaml.safe_load(new)["config"]["irsa:bindings"]["new"] == BINDING
    assert yaml.safe_load(new)["config"]["aws:allowedAccountIds"] == ["012345670123"]
    assert '"012345670123"' in new
    assert read.mistakes == []


@pytest.mark.parametrize(
    "setting",
    [
        'allowedAccountIds: ["999999999999"]',
        # It conflicts with allowedAccountIds: https://registry.terraform.io/providers/hashicorp/aws/latest/docs
        'forbiddenAccountIds: ["999999999999"]',
        "profile: production",
        "assumeRoles: [{roleArn: x}]",
        "secretKey: {secure: v1:abc}",
    ],
)
def test_a_provider_that_is_configured_is_left_alone(setting: str, tmp_path: Path) -> None:
    text = f"config:\n  aws:{setting}\n"
    new = file(tmp_path, text).with_additions("us-west-2", AWS_ACCOUNT, ADDED)

    assert new.endswith(text.removeprefix("config:\n"))
    assert {*yaml.safe_load(new)["config"]} == {f"aws:{setting.partition(':')[0]}", "irsa:bindings"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("config: [x]\n", "its `config:` is not a mapping"),
        ("- x\n", "it is not a mapping with `config:`"),
        ("config: {\n", "it is not YAML"),
        ("config:\n  irsa:bindings: [x]\n", "irsa:bindings has another shape than what is added"),
        ("config: {irsa:bindings: {a: {}}}\n", "its form of YAML"),
        ("config:\n  irsa:bindings: {a: {role: {}}}  # one\n  aws:region: us-west-2\n", "its form of YAML"),
        ("config:\n  irsa:bindings: {secure: v1:abc}\n", "irsa:bindings is encrypted"),
        ("config:\n  irsa:accounts:\n    secure: v1:abc\n", "irsa:accounts is encrypted"),
        ("shared: &a\n  b: {}\nconfig:\n  irsa:bindings: *a\n", "its form of YAML"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="cannot change") as error:
        file(tmp_path, text).with_additions("us-west-2", AWS_ACCOUNT, ADDED)

    assert why in str(error.value)


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    """NAME_MAX is 255 bytes: https://man7.org/linux/man-pages/man3/sysconf.3.html, limits.h(0p)."""
    with pytest.raises(CouldNotLookError, match=r"cannot read .*: File name too long"):
        AdoptedFile(tmp_path / f"Pulumi.{'x' * 256}.yaml")


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="is not the name of a stack file"):
        AdoptedFile(tmp_path / "prod.yaml")
