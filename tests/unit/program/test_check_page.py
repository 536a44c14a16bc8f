"""The examples of docs/check.md, as the command prints them, without those that ask AWS and clusters."""

import re
from pathlib import Path

import pytest

from irsa_cli.main import main

PAGE = (Path(__file__).parents[3] / "docs" / "check.md").read_text()


def test_each_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(re.findall("```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```console\n\$ irsa (check (?!--live)[^\n]*)\n(.*?)```", PAGE, re.DOTALL)

    assert len(examples) == 1
    for command, expected in examples:
        assert main(command.split()) == 1
        assert capsys.readouterr().out == expected
