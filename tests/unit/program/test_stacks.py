import json
from pathlib import Path

import pytest

from irsa_cli.main import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(project: Path, stack: str, config: str) -> None:
    (project / f"Pulumi.{stack}.yaml").write_text(config)


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["stacks", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main(["stacks"]) == 0
    assert capsys.readouterr().out.splitlines() == answer["stacks"]
    stacks: list[str] = answer["stacks"]
    return stacks


SETTINGS = ("irsa:sandbox: true", "irsa:sandbox: 'true'", "sandbox: true", "irsa:config:sandbox: true")
OTHERS = (
    *("config:\n  irsa:sandbox: false\n", "config:\n  irsa:sandbox: 'false'\n"),
    *("# irsa:sandbox: true\nconfig: {}\n", "config:\n  other:sandbox: true\n"),
    *("config:\n  irsa:variables: {sandbox: true}\n", "config:\n  irsa:sandbox: 'yes'\n"),
    *("config:\n  irsa:sandbox: {secure: v1:abc}\n", "config: [\n", ""),
)


def test_a_stack_of_the_sandbox_is_never_previewed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`pulumi stack init` rewrites true as "true": https://www.pulumi.com/docs/iac/concepts/config/."""
    for number, setting in enumerate(SETTINGS):
        add(project, f"sandbox-{number}", f"config:\n  aws:region: us-west-2\n  {setting}\n")
    for number, text in enumerate(OTHERS):
        add(project, f"other-{number}", text)
    # A file without a stack's name is no stack file.
    add(project, "", "config: {}\n")

    assert listed(capsys) == [f"other-{number}" for number in range(len(OTHERS))]


def test_the_projects_own_setting(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Pulumi.yaml").write_text("name: irsa\nruntime: python\nconfig:\n  irsa:sandbox: {default: true}\n")
    add(project, "dev", "config: {}\n")
    add(project, "prod", "config:\n  irsa:sandbox: false\n")

    assert listed(capsys) == ["prod"]


def test_a_file_that_cannot_be_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(project, "prod", "config: {}\n")
    (project / "Pulumi.link.yaml").symlink_to("none")

    assert main(["stacks", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "irsa stacks: cannot read Pulumi.link.yaml: No such file or directory\n"


@pytest.mark.parametrize(
    "stack", ["prod --><!--", "prod\n@team", "`x`", "prod ", "${{ github.token }}", "ä", "a" * 101]
)
def test_a_name_that_no_stack_has(project: Path, capsys: pytest.CaptureFixture[str], stack: str) -> None:
    """The attack: a name that closes the marker of a comment, and makes it that of another stack.

    https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming
    """
    add(project, "prod", "config: {}\n")
    add(project, stack, "config: {}\n")

    assert main(["stacks", "--json"]) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.startswith("irsa stacks: stack files of no stack: ")
    assert answer.err.count("\n") == 1
