import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import actions, files, schema, stack_file
from irsa.args import AddOnArgs, PolicyArgs, RoleArgs, ServiceAccountArgs, ServiceAccountRoleArgs, TrustArgs
from irsa_cli.main import main
from irsa_cli.subcommands import installed
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


def test_what_is_generated_is_up_to_date() -> None:
    generated = dict(files())

    expected = {schema.FILE, stack_file.FILE, actions.FILE, REFERENCE / "verify.schema.json"}
    assert expected <= generated.keys()
    for file, text in generated.items():
        assert file.read_text() == text, file.name


@pytest.mark.parametrize("subcommand", sorted(installed()))
def test_the_command_has_all_of_the_help(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([subcommand, "--help"])
    said = capsys.readouterr().out
    _, _, arguments = said.partition("\noptions:\n")
    text = section(page("command"), f"irsa {subcommand}")
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", arguments, re.MULTILINE)) - {"--help"}

    assert {*re.findall(r"^\| `(?:-\w, )?(--[\w-]+)", text, re.MULTILINE)} == options
    codes = re.findall(r"(?<=[:,]) (\d) ", said.partition("exit codes")[2].replace("\n", " "))
    assert re.findall(r"^\| `(\d)` \|", text, re.MULTILINE) == codes != []
    assert text.lstrip().startswith(f"```console\n$ irsa {subcommand}")


@pytest.mark.parametrize(
    ("heading", "arguments"),
    [
        ("Arguments", [*ServiceAccountRoleArgs.__annotations__]),
        ("Role", [*RoleArgs.__annotations__]),
        ("Trust", [*TrustArgs.__annotations__]),
        ("ServiceAccount", [*ServiceAccountArgs.__annotations__]),
        ("AddOn", [*AddOnArgs.__annotations__]),
        (
            "Policy",
            [each for each in PolicyArgs.__annotations__ if each not in {*AddOnArgs.__annotations__} - {"add_on"}],
        ),
    ],
)
def test_the_component_has_every_argument(heading: str, arguments: Any) -> None:
    text = section(page("component"), heading).partition("\n### ")[0]
    rows = re.findall(r"^\| `(\w+)`(?:<br>`(\w+)`)? \|", text, re.MULTILINE)

    assert [python for python, _ in rows] == arguments
    for python, other in rows:
        first, *words = python.split("_")
        assert (other or python) == first + "".join(word.capitalize() for word in words)


def irsa_settings(text: str) -> dict[str, Any]:
    """Return the settings `irsa:` of the first stack file on a page."""
    config = yaml.safe_load(blocks(text, "yaml")[0])["config"]
    return {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}


@pytest.mark.parametrize("name", ["variables", "outputs"])
def test_the_stack_file_of_a_page_is_legal(name: str) -> None:
    assert examine(irsa_settings(page(name)), ROOT).mistakes == []


STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject"}
SEVERAL = {"blue": {"name": "blue"}, "green": {"name": "green", "kubernetes": {"context": "green"}}}


def document(resource: str, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Resource": resource, **more}]}


@pytest.mark.parametrize(
    ("row", "bucket", "settings"),
    [
        ("`${acount}`", "${acount}", {}),
        ('`${bucket}` with `bucket: ""`', "${bucket}", {"variables": {"bucket": ""}}),
        ("`${a${b}}`", "${a${b}}", {"variables": {"a": "a", "b": "b"}}),
        ("`${bucket`", "${bucket", {"variables": {"bucket": "b"}}),
        ("`account: ...` in `irsa:variables`", "${account}", {"variables": {"account": "111122223333"}}),
        ("`${cluster}` in a binding of several clusters", "${cluster}", {"cluster": None, "clusters": SEVERAL}),
    ],
)
def test_what_the_page_calls_a_mistake_is_one(row: str, bucket: str, settings: dict[str, Any]) -> None:
    binding = {"serviceAccount": {"name": "app"}, "policy": {"document": document(f"arn:aws:s3:::{bucket}/*")}}
    values = {"cluster": {"name": "my-cluster"}, **settings, "bindings": {"app": binding}}
    legal = json.loads(json.dumps(binding).replace(bucket, "my-bucket"))

    assert f"| {row} |" in section(page("variables"), "Errors")
    assert examine({key: value for key, value in values.items() if value is not None}, ROOT).mistakes
    assert examine({"cluster": {"name": "my-cluster"}, "bindings": {"app": legal}}, ROOT).mistakes == []


def test_each_file_of_permissions_is_in_the_table() -> None:
    text = page("permissions").partition("## What is in the files")[0]
    files = {file.name for file in (ROOT / "docs" / "permissions").iterdir()}

    assert {name for name in files if f"(../permissions/{name})" not in text} == set()


def test_each_subcommand_is_in_the_table_of_permissions() -> None:
    text = page("permissions")

    assert {subcommand for subcommand in installed() if f"`irsa {subcommand}" not in text} <= {
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


# By section of the guide: what runs its commands, or why none does.
COMMANDS = {
    "Install": "tests/all/sandbox/test_install.py; tests/sandbox/test_package_consumer.py adds the package",
    "Deploy it": "tests/all/sandbox/test_install.py",
    "Your own tests": "test_the_tests_of_the_example_pass",
}


def test_every_command_of_the_guide_is_run_or_says_why_not() -> None:
    sections = re.split(r"^## (.*)$", GUIDE, flags=re.MULTILINE)

    with_commands = [
        title for title, text in zip(sections[1::2], sections[2::2], strict=True) if blocks(text, "console")
    ]
    assert with_commands == [*COMMANDS]
