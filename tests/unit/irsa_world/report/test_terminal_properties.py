"""On a terminal of 80 columns no line of a message is too long, no name is broken, and a command is one line."""

import io
import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from irsa.rules.mistakes import Mistake, named
from irsa_config.located_mistake import LocatedMistake
from irsa_program.check_report import FileReport, sections
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.report.publish import show
from irsa_world.report.text import Line, arranged, section_of

WIDTH = 80
# Limits: 63 for a namespace and 253 for a service account (https://kubernetes.io/docs/concepts/overview/working-with-objects/names),
# 64 for a role's name, and 512 for its path (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
PLAIN = st.integers(1, 70).map(lambda length: "n" * length) | st.sampled_from(
    ["x" * 63 + "/" + "y" * 253, "arn:aws:iam::111122223333:role/" + "p" * 512 + "/" + "r" * 64]
)
HOSTILE = st.text(max_size=90) | st.sampled_from(['a "b" c', "\\" * 3, '"', "日本 " * 30, "| a | b", "\x1b[31m\n", " "])
NAME = PLAIN | HOSTILE.map(named)
UNBREAKABLE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*'|\S)+""")
COMMAND = f"kubectl annotate serviceaccount {'n' * 63} -n {'m' * 63} --overwrite"


def shown(monkeypatch: pytest.MonkeyPatch, lines: Iterable[Line]) -> list[str]:
    """Return the lines of what is printed on a terminal of 80 columns, without colors."""
    with monkeypatch.context() as context:
        context.setenv("COLUMNS", str(WIDTH))
        context.setenv("NO_COLOR", "1")
        output = io.StringIO()
        show(lines, output)
    return output.getvalue().split("\n")


def assert_whole(lines: list[str], *texts: str) -> None:
    """Assert that each name is in a line as it is, and that a line is longer than 80 columns only by one name."""
    text = "\n".join(lines)
    for name in (word for each in texts for word in UNBREAKABLE.findall(each)):
        assert name in text, name
    for line in lines:
        words = UNBREAKABLE.findall(line)
        assert cell_len(line.rstrip()) <= WIDTH or max(map(cell_len, words)) > WIDTH, line


@given(NAME, NAME, NAME, st.sampled_from([each for each in Outcome if each is not Outcome.OK]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_message(monkeypatch: pytest.MonkeyPatch, about: str, found: str, expected: str, outcome: Outcome) -> None:
    report = Report("verify", "dev", (Check("app", "trust", outcome, about, found, expected, COMMAND),))
    lines = shown(monkeypatch, arranged([section_of(report, ("binding",), (("app",),))]))
    mistake = LocatedMistake(("bindings", "a" * 63, "role"), Mistake(found, expected, about), "P.yaml", 3)

    assert re.search(f"^    do: +{COMMAND}$", "\n".join(lines), re.MULTILINE)
    assert_whole([line for line in lines if COMMAND not in line], about, found)
    of_check = shown(monkeypatch, arranged(sections([FileReport("P.yaml", 1, [mistake])])))
    assert_whole(of_check, mistake.mistake.found, mistake.mistake.allowed, mistake.mistake.fix)


def test_a_line_without_a_style_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"  1. pulumi preview --stack {'n' * 80}"
    lines = [(command, ""), ("left: default/app; " + "the role has another trust policy, " * 2, "bold red")]

    first, second, third, _ = shown(monkeypatch, lines)
    assert (first, third) == (command, "    policy,")
    assert second.startswith("left: ")
