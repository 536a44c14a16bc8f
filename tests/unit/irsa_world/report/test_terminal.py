"""How tables and messages look on a terminal; what follows was written by hand."""

import pytest

from irsa_world.report.terminal import show_lines


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the terminal 40 columns wide."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))


WIDTH = 40


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.split("\n")[:-1]


def test_a_line_without_a_style_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    command = "  1. pulumi preview --stack organization/platform/production"
    show_lines([(command, ""), ("left: default/app; the role has another trust policy", "bold red")])

    show_lines([(f"  {'n' * 38}", "green")])

    expected = [command, "left: default/app; the role has another", "    trust policy", f"  {'n' * 38}"]
    assert lines(capsys) == expected
