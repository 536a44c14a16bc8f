"""The scripts that complete subcommands and options."""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from irsa_cli.main import main
from irsa_cli.subcommands import installed, parser_of_all

COMPLETE = r"""
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
$(complete -p irsa | sed 's/.*-F \([^ ]*\).*/\1/') irsa "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""
FISH = 'source $argv[1]; for each in (complete -C "$argv[2..]"); string split -f1 \\t -- $each; end; true'
# `_arguments` of an interactive zsh calls the function, which hands its words to compadd.
ZSH = """
compdef() { }
compadd() { shift $@[(i)--]; print -rl -- "$@" }
eval "$(<$1)"
_irsa_stacks
"""
CODE = {"bash": COMPLETE, "zsh": ZSH, "fish": FISH}
# No stack has such a name. Pasted into a shell, each would run a command or be something else.
HOSTILE = ("$(touch ran)", "`touch ran`", "a;touch ran", "a b", "a\nb", "a'b", 'a"b', "~", "a*", "a\\b", "a\tb", "é")


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def options() -> Iterator[str]:
    """Return every long option of every subcommand."""
    (subcommands,) = [
        a for a in parser_of_all(with_arguments=True)._actions if isinstance(a, argparse._SubParsersAction)
    ]
    for subcommand in subcommands.choices.values():
        yield from (word for word in subcommand._option_string_actions if word.startswith("--"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_knows_every_subcommand_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who adds an option: it is completed in each shell, without a list to keep."""
    text = script(shell, capsys)

    for word in (*installed(), *options()):
        # fish writes a long option without its dashes.
        assert (f"-l {word[2:]}" if shell == "fish" and word.startswith("--") else word) in text


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["irsa", "ver"], ["verify"]),
        (["irsa", "e"], ["explain"]),
        (["irsa", "verify", "--j"], ["--json"]),
        (["irsa", "completion", ""], ["bash", "zsh", "fish"]),
        (["irsa", "explain", "--trust", "tru"], ["trust.json"]),
    ],
)
def test_bash_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], completed: list[str]
) -> None:
    """Protects users of bash: the script can be sourced, and completes subcommands, options, choices and files."""
    bash = shutil.which("bash")
    assert bash
    (tmp_path / "trust.json").touch()
    file = tmp_path / "completion.bash"
    file.write_text(script("bash", capsys))
    lines = lines_of(tmp_path, [bash, "--norc", "-c", COMPLETE, "bash", str(file), *words])

    assert [each.strip() for each in lines] == completed


def lines_of(folder: Path, command: list[str]) -> list[str]:
    """Return the lines that a shell prints in a folder; it may complain of nothing."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def completed_by(shell: str, folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return what a shell completes, in a folder with stack files and others, where nothing else may happen."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    file = folder.parent / f"irsa.{shell}"
    file.write_text(script(shell, capsys))
    (folder / "sub").mkdir(parents=True)
    for name in ("yaml", "dev.yaml", "prod.yaml", "prod.yaml.example", *(f"{each}.yaml" for each in HOSTILE)):
        (folder / f"Pulumi.{name}").touch()
        (folder / "sub" / f"Pulumi.{name}").touch()
    (folder / "README.md").touch()
    argument = ["bash"] if shell != "fish" else []
    lines = lines_of(folder, [program, "-c", CODE[shell], *argument, str(file), *words])
    assert not (folder / "ran").exists()
    # fish ends a folder with a slash.
    return {each.rstrip("/") for each in lines}


@pytest.mark.parametrize("shell", CODE)
def test_stacks_are_completed(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from typing the name of a stack, and from a file whose name would be pasted as a command."""
    words = ["irsa", "verify", "--stack", ""]

    assert completed_by(shell, tmp_path / "project", words, capsys) == {"dev", "prod"}


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize("folder", ["", "sub/"])
def test_stack_files_are_completed(shell: str, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from a list of all files: those of stacks, and the folders in which there may be some.

    In zsh, the completion system's own `_files` does it. Shells quote the name of a file.
    """
    words = ["irsa", "check", folder]
    found = completed_by(shell, tmp_path / "project", words, capsys)

    assert found >= {f"{folder}Pulumi.dev.yaml", f"{folder}Pulumi.prod.yaml"} | ({"sub"} - {folder.rstrip("/")})
    assert not {f"{folder}{each}" for each in ("Pulumi.yaml", "Pulumi.prod.yaml.example", "README.md")} & found
