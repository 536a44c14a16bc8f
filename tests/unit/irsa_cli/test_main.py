"""The irsa command: what holds for every subcommand, what it prints for programs, and how they are found."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from itertools import chain, permutations
from pathlib import Path
from typing import Any

import pytest

from irsa_cli import subcommands
from irsa_cli.main import main
from irsa_cli.prove.proof import ASSUMES, IS_REFUSED
from irsa_cli.subcommands import SUBCOMMANDS, parser_of
from irsa_cli.verify.kinds import CHECKS
from irsa_program import check_report
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.report.json import as_json
from tests.output_schemas import REFERENCE, check_output

# Of the one table of docs/reference/command.md.
CODES = {*re.findall(r"^\| `(\d+)` \|", (REFERENCE / "command.md").read_text(), re.MULTILINE)}
IRSA = Path(sys.executable).with_name("irsa")


@pytest.mark.parametrize(
    ("subcommand", "option"),
    [
        *((each, "--stack") for each in ("verify", "prove", "explain", "inventory")),
        *(("inventory", each) for each in ("--context", "--cluster", "--profile", "--region", "--namespace")),
    ],
)
def test_an_unset_variable_chooses_nothing(subcommand: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([subcommand, option, ""])

    assert ended.value.code == 2
    assert re.search(rf"argument {option}: .* is empty", capsys.readouterr().err)


def work_of(subcommand: str) -> Any:
    return import_module(parser_of(subcommand).get_default("run"))


WORDS = {
    "explain": (["a/b"], ["r"], ["--stack", "s"], ["--issuer=https://x"]),
    "check": (["Pulumi.a.yaml"], ["Pulumi.b.yaml"], ["--live"], ["--json"]),
    "verify": (["a"], ["b"], ["--stack", "s"], ["--pods"]),
    "prove": (["a"], ["b"], ["--stack", "s"], ["--json"]),
}


@pytest.mark.parametrize("subcommand", WORDS)
def test_arguments_may_stand_anywhere(subcommand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order of the words means the same, as POSIX tools of GNU have it:
    https://www.gnu.org/software/libc/manual/html_node/Using-Getopt.html (arguments are permuted)
    """
    asked: list[argparse.Namespace] = []

    def run(options: argparse.Namespace) -> int:
        asked.append(options)
        return 0

    monkeypatch.setattr(work_of(subcommand), "run", run)
    first, second, *options = WORDS[subcommand]
    orders = [each for each in permutations([first, second, *options]) if each.index(first) < each.index(second)]

    commands = [[*chain.from_iterable(order)] for order in orders]
    commands += [[*chain.from_iterable(options), "--", *first, *second], [*first, *chain(*options), "--", *second]]
    assert [main([subcommand, *words]) for words in commands] == [0] * len(commands)
    assert [vars(each) for each in asked] == [vars(asked[0])] * len(commands)
    values = [each for value in vars(asked[0]).values() for each in (value if isinstance(value, list) else [value])]
    assert {*first, *second} <= {*map(str, values)}


def test_behind_two_dashes_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr(work_of("prove"), "run", lambda options: (asked.append(options), 0)[1])  # type: ignore[func-returns-value]

    assert main(["prove", "--json", "--", "app", "--output=x"]) == 0
    assert "--output=x" in str(asked[0])


@pytest.mark.parametrize("verb", [*SUBCOMMANDS])
def test_help_has_an_example_and_a_misspelled_option_is_named(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    text = capsys.readouterr().out
    assert f"irsa {verb} " in text.partition("example")[2]
    assert {*re.findall(r"(?<=[:,]) (\d+) ", " ".join(text.partition("exit codes")[2].split()))} == CODES
    options = re.findall(r"^  (?:-., )?(--[a-z-]{4,})", text, re.MULTILINE)
    required = {"adopt": ["--output", "x"], "explain": ["a/b"], "recover": ["x"]}.get(verb, [])
    for option in options:
        with pytest.raises(SystemExit):
            main([verb, *required, f"{option[:3]}{option[4:]}=x"])
        said = capsys.readouterr().err
        assert said.startswith(f"usage: irsa {verb} ")
        assert f"did you mean {option}?" in said


def test_a_stack_in_place_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    monkeypatch.chdir(tmp_path)

    assert main(["check", "prod", "staging"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        "irsa check: cannot read prod: No such file or directory; did you mean Pulumi.prod.yaml?",
        "irsa check: cannot read staging: No such file or directory",
    ]


def test_a_fault_of_ours_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> int:
        raise LookupError("secret-token")

    monkeypatch.setattr(check_report, "run", fail)

    assert main(["check"]) == 4
    assert capsys.readouterr().err == "irsa: unexpected LookupError; please report it\n"


def test_ctrl_c_has_the_code_that_shells_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html: 128 and the signal's number, SIGINT's 2."""

    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_report, "run", interrupt)

    assert main(["check"]) == 130


def test_a_reader_that_has_read_enough_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    bindings = "".join(f"    b{number}: {{nonsense: true}}\n" for number in range(3000))
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  irsa:bindings:\n{bindings}")
    with subprocess.Popen(
        [IRSA, "check"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""


@pytest.mark.parametrize("subcommand", [*SUBCOMMANDS])
def test_a_misspelled_subcommand_is_named(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{subcommand}{subcommand[-1]}"])

    assert (ended.value.code, f"did you mean {subcommand}?" in capsys.readouterr().err) == (2, True)


# --- For programs: the published schemas of docs/reference -----------------------------------------------------------


def test_each_subcommand_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    published = {file.name.removesuffix(".schema.json") for file in REFERENCE.glob("*.schema.json")}
    printing = set()
    for subcommand in SUBCOMMANDS:
        with pytest.raises(SystemExit):
            main([subcommand, "--help"])
        if "--json" in capsys.readouterr().out:
            printing.add(subcommand)

    assert published == printing
    assert "verify" in printing


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Return every object's schema."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for each in schema.values():
            yield from objects(each)


@pytest.mark.parametrize("file", sorted(REFERENCE.glob("*.schema.json")), ids=lambda file: file.name)
def test_a_schema_admits_only_keys_that_it_names_in_one_style(file: Path) -> None:
    for each in objects(json.loads(file.read_text())):
        assert each["additionalProperties"] is False
        assert [key for key in each["properties"] if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", key)] == []


@pytest.mark.parametrize(("subcommand", "kinds"), [("verify", CHECKS), ("prove", (ASSUMES, IS_REFUSED))])
def test_every_check_and_outcome(subcommand: str, kinds: tuple[str, ...]) -> None:
    checks = [Check("app", kind, outcome, "role app", "a", "b", "c") for kind in kinds for outcome in Outcome]
    document = check_output(subcommand, as_json(Report(subcommand, "dev", checks)))

    assert len(document["checks"]) == len(checks)
    assert (document["good"], document["exitCode"]) == (False, 1)


# --- How subcommands are found, and what they need beside the command -------------------------------------------------


def test_each_subcommand_is_offered_in_a_sentence() -> None:
    for name, (_, line) in SUBCOMMANDS.items():
        assert re.fullmatch(r"[A-Z].*\.", line), name


@pytest.mark.parametrize("other", ["irsa", "irsa-stack"])
@pytest.mark.parametrize("found", [None, "1.2.2"])
def test_another_package_of_another_version_is_refused(
    other: str, found: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        if name != other:
            return "1.2.3"
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(subcommands, "version", version)

    assert main(["explain", "default/app", "my-role"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"irsa explain: irsa-cli 1.2.3 needs {other} 1.2.3, but {found or 'none'} is installed: ")
