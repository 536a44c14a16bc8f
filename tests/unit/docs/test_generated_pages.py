import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import actions, files, schema, stack_file
from irsa_cli.main import main
from irsa_cli.subcommands import SUBCOMMANDS
from irsa_program.examine import examine

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"
GUIDE = (ROOT / "docs" / "guides" / "own-program.md").read_text()


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level."""
    (level,) = re.findall(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    return re.split(rf"^#{{1,{len(level)}}} ", text.partition(f"{level} {heading}\n")[2], flags=re.MULTILINE)[0]


def test_the_messages_that_reviewers_see_are_up_to_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make generate` writes the file, for the difference in a pull request. It says nothing about what is right."""
    monkeypatch.chdir(ROOT)
    main(["check", "tests/golden/mistakes.yaml"])

    assert capsys.readouterr().out == (ROOT / "tests/golden/mistakes.txt").read_text()


def test_what_is_generated_is_up_to_date() -> None:
    generated = dict(files())

    expected = {schema.FILE, stack_file.FILE, actions.FILE, REFERENCE / "verify.schema.json"}
    assert expected <= generated.keys()
    for file, text in generated.items():
        assert file.read_text() == text, file.name


@pytest.mark.parametrize("subcommand", sorted(SUBCOMMANDS))
def test_the_command_has_all_of_the_help(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([subcommand, "--help"])
    said = capsys.readouterr().out
    _, _, arguments = said.partition("\noptions:\n")
    text = section(page("command"), f"irsa {subcommand}")
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", arguments, re.MULTILINE)) - {"--help"}

    assert {*re.findall(r"^\| `(?:-\w, )?(--[\w-]+)", text, re.MULTILINE)} == options
    assert text.lstrip().startswith(f"```console\n$ irsa {subcommand}")


def irsa_settings(text: str) -> dict[str, Any]:
    config = yaml.safe_load(blocks(text, "yaml")[0])["config"]
    return {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}


@pytest.mark.parametrize("name", ["variables", "outputs"])
def test_the_stack_file_of_a_page_is_legal(name: str) -> None:
    assert examine(irsa_settings(page(name)), ROOT).mistakes == []


def test_each_file_of_permissions_is_in_the_table() -> None:
    text = page("permissions")
    files = {file.name for file in (ROOT / "docs" / "permissions").iterdir()}

    assert {name for name in files if f"(../permissions/{name})" not in text} == set()


def test_each_subcommand_is_in_the_table_of_permissions() -> None:
    text = page("permissions")

    assert {subcommand for subcommand in SUBCOMMANDS if f"`irsa {subcommand}" not in text} <= {
        "add-ons",
        "stacks",
    }


def test_the_tests_of_the_example_pass(tmp_path: Path) -> None:
    (command,) = blocks(section(GUIDE, "Your own tests"), "console")
    words = command.removeprefix("$ .venv/bin/python").split()
    for name in ("__main__.py", "test_program.py"):
        (tmp_path / name).write_text((ROOT / "examples" / "python-stack" / name).read_text())

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    passed = run()
    assert passed.returncode == 0, passed.stderr
    assert "Ran 1 test" in passed.stderr
    program = tmp_path / "__main__.py"
    program.write_text(program.read_text().replace('{"name": "report-reader"', '{"name": "somebody"'))
    assert run().returncode != 0
