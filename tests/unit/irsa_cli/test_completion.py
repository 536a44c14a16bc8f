"""The scripts that complete subcommands and options."""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from irsa_cli.main import main
from irsa_cli.subcommands import installed, parser_of

COMPLETE = r"""
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
$(complete -p irsa | sed 's/.*-F \([^ ]*\).*/\1/') irsa "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def options() -> Iterator[str]:
    """Return every long option of every subcommand."""
    (subcommands,) = [a for a in parser_of(*installed())._actions if isinstance(a, argparse._SubParsersAction)]
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
        (["irsa", "verify", "--j"], ["--json", "--junit"]),
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
    done = subprocess.run(
        [bash, "--norc", "-c", COMPLETE, "bash", str(file), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stderr == ""
    assert [each.strip() for each in done.stdout.splitlines()] == completed
