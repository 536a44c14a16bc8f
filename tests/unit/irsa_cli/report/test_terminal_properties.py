"""What a terminal of 80 columns is shown: no line is too long, and no name is broken; in tables it is shortened."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from irsa.rules.mistakes import Mistake, named
from irsa_cli.report import terminal
from irsa_cli.report.checks import Check, Outcome, Report
from irsa_cli.report.text import Answer, answer_of
from irsa_config.located_mistake import LocatedMistake
from irsa_program.check_report import FileReport, answers

WIDTH = 80
# Limits: 63 for a namespace and 253 for a service account (https://kubernetes.io/docs/concepts/overview/working-with-objects/names),
# 64 for a role's name, and 512 for its path (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
PLAIN = st.integers(1, 70).map(lambda length: "n" * length) | st.sampled_from(
    ["x" * 63 + "/" + "y" * 253, "arn:aws:iam::111122223333:role/" + "p" * 512 + "/" + "r" * 64]
)
HOSTILE = st.text(max_size=90) | st.sampled_from(['a "b" c', "\\" * 3, '"', "日本 " * 30, "| a | b", "\x1b[31m\n", " "])
NAME = PLAIN | HOSTILE.map(named)
CELL = NAME | st.sampled_from([each.value for each in Outcome]) | st.lists(NAME, max_size=3).map(", ".join)
UNBREAKABLE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*'|\S)+""")


def shown(monkeypatch: pytest.MonkeyPatch, show: Callable[[], Any]) -> list[str]:
    """Return the lines of what is printed on a terminal of 80 columns, without colors."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    output = io.StringIO()
    monkeypatch.setattr("sys.stdout", output)
    show()
    return output.getvalue().split("\n")


def assert_whole(lines: list[str], names: list[str]) -> None:
    """Assert that each name is in a line as it is, and that a line is longer than 80 columns only by one name."""
    text = "\n".join(lines)
    for name in names:
        assert name in text, name
    for line in lines:
        words = UNBREAKABLE.findall(line)
        assert cell_len(line.rstrip()) <= WIDTH or max(map(cell_len, words)) > WIDTH, line


@given(st.integers(2, 8).flatmap(lambda size: st.lists(st.lists(CELL, min_size=size, max_size=size), min_size=1)))
@example(rows=[["n", "n", "n"], [f"n, nnnnnn, {'n' * 70}", "n", "n"]])
@example(rows=[["n" * 39, named("0" * 37 + "\N{DEVANAGARI VOWEL SIGN AA}")]])
@example(rows=[["n"], [named('"' * 90)], [named("\\" * 90)], [named("\N{COMBINING ACUTE ACCENT}日" * 90)]])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table(monkeypatch: pytest.MonkeyPatch, rows: list[list[str]]) -> None:
    """Protects who reads a wide table: each row stays a row, within the terminal, and each name that has room is whole.

    Of a longer one the start is there, and its quotes are: what others wrote does not pass for the next cell.
    """
    headings = [f"heading {number}" for number in range(len(rows[0]))]
    with monkeypatch.context() as context:
        lines = shown(context, lambda: terminal.show([Answer("", "", (), headings, rows)]))

    share, text = (WIDTH - 2 * (len(headings) - 1)) // len(headings), "\n".join(lines)
    assert max(map(cell_len, lines)) <= WIDTH
    for name in (word for row in rows for cell in row for word in UNBREAKABLE.findall(cell)):
        assert (name if cell_len(name) <= share else f"{name[:2]}") in text, name
    assert [line for line in lines if re.search(r"[\"']", UNBREAKABLE.sub("", line))] == []
    assert [line for line in lines if len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) % 2] == []


@given(NAME, NAME, NAME, st.sampled_from([*Outcome]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_failure(monkeypatch: pytest.MonkeyPatch, about: str, found: str, name: str, outcome: Outcome) -> None:
    fix = f"kubectl annotate serviceaccount {'n' * 63} -n {'m' * 63} --overwrite"
    check = Check("app", "trust", outcome, about, found, name, fix)
    report = Report("verify", "dev", (check,))
    with monkeypatch.context() as context:
        lines = shown(context, lambda: terminal.show([answer_of(report, ("binding",), (("app",),))]))

    others = [line for line in lines if fix not in line]
    assert (re.search(f"^    do: +{fix}$", "\n".join(lines), re.MULTILINE) is not None) is (outcome is not Outcome.OK)
    if outcome is not Outcome.OK:
        assert_whole(others, [*UNBREAKABLE.findall(about), *UNBREAKABLE.findall(found)])


@given(NAME, NAME, NAME)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mistake(monkeypatch: pytest.MonkeyPatch, found: str, allowed: str, fix: str) -> None:
    mistake = LocatedMistake(("bindings", "a" * 63, "role"), Mistake(found, allowed, fix), "P.yaml", 3)
    with monkeypatch.context() as context:
        lines = shown(context, lambda: terminal.show(answers([FileReport("P.yaml", 1, [mistake])])))

    parts = [mistake.mistake.found, mistake.mistake.allowed, mistake.mistake.fix]
    assert_whole(lines, [word for part in parts for word in UNBREAKABLE.findall(part)])
