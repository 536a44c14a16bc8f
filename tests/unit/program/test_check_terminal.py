"""What `irsa check` found, on a terminal."""

import pytest

from irsa.rules.mistakes import Mistake
from irsa_cli.report.terminal import show
from irsa_config.located_mistake import LocatedMistake
from irsa_program.check_report import FileReport, answers

LONG = "arn:aws:iam::111122223333:policy/" + "x" * 150
MISTAKE = LocatedMistake(("bindings", "a", "role"), Mistake("found [bold]F[/bold]", "A", LONG), "P.yaml", 3)
WARNING = LocatedMistake(("bindings", "b"), Mistake("F2", "A2", "D2"), rule="wide-trust")


def test_all_parts_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the reader on a terminal: the same parts as in a pipe, nothing cut, and no text taken for a style."""
    show(answers([FileReport("P.yaml", 2, [MISTAKE], [WARNING], [], ["a secret [x]"]), FileReport("G.yaml", 1, [])]))
    text = capsys.readouterr().out
    lines = text.splitlines()

    assert "P.yaml:3  irsa:bindings.a.role" in lines
    assert "irsa:bindings.b  warning [wide-trust]" in lines
    assert "found [bold]F[/bold]" in text
    assert LONG in "".join(line.strip() for line in lines)
    for part in ("found:", "allowed:", "do:"):
        assert sum(line.strip().startswith(part) for line in lines) == 2
    assert lines[-1] == "not checked: P.yaml: a secret [x]"
    assert lines[:3] == ["P.yaml: 1 error, 1 warning, 2 bindings", "G.yaml: good, 1 binding", ""]
