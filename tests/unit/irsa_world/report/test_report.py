"""How findings are counted and shown."""

import argparse
import io
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake, named
from irsa_cli.progress import check_all, under_way
from irsa_cli.verify.comparison import rows_of
from irsa_cli.verify.kinds import CHECKS
from irsa_config.located_mistake import LocatedMistake
from irsa_program.check_report import FileReport, sections
from irsa_world.exits import CouldNotLookError, SecretInStateError, failed_request
from irsa_world.live.once import slowed_down
from irsa_world.message import Line
from irsa_world.report.checks import Check, Outcome, Report, outcome_of
from irsa_world.report.json import as_json
from irsa_world.report.publish import publish, show
from irsa_world.report.text import IN_ORDER, arranged, plain, section_of

GOOD = Check("app", "role", Outcome.OK, "role app")
BAD = Check("app", "trust", Outcome.FINDING, "role app", "this <one>", "that & that", "pulumi up --refresh")
UNKNOWN = Check("web", "role", Outcome.NO_PERMISSION, "role web", "iam:GetRole: AccessDenied")
OTHER_ACCOUNT = Check("web", "trust", Outcome.NOT_CHECKED, "role web", "another account's")
ALLOWED = Check("later", "assumes", Outcome.UNPROVEN, "team-a/*", "no existing service account matches")


def printed(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return plain([section_of(report, headings, rows)])


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ((GOOD,), 0),
        ((GOOD, UNKNOWN), 3),
        ((BAD,), 1),
        ((BAD, UNKNOWN), 1),
        ((OTHER_ACCOUNT,), 3),
        ((), 3),
        ((GOOD, ALLOWED, OTHER_ACCOUNT), 0),
        ((ALLOWED, UNKNOWN), 3),
        ((ALLOWED,), 0),
        ((ALLOWED, BAD), 1),
    ],
)
def test_exit_codes(checks: tuple[Check, ...], code: int) -> None:
    assert Report("verify", "dev", checks).exit_code == code


def test_several_commands_are_one_block_each_once_and_in_their_order() -> None:
    """The attack: advice that is followed from the top. `pulumi up` fails while a foreign annotation is there."""
    away, up = "kubectl annotate serviceaccount app -n a --context blue x-", "pulumi up --refresh --stack dev"
    checks = [replace(BAD, fix=each, found=each) for each in (up, f"{away} && {up}", away)]
    lines = printed(Report("verify", "dev", checks), ("binding", "trust"), [("app", Outcome.FINDING)])
    alone = printed(Report("verify", "dev", checks[:1]), ("binding", "trust"), [("app", Outcome.FINDING)])

    block = lines.index(IN_ORDER)
    assert lines[block + 1 : block + 4] == [f"    {away}", f"    {up}", ""]
    assert not [line for line in lines if line.lstrip().startswith("do:")]
    assert f"    do:       {up}" in alone
    assert IN_ORDER not in alone


def test_the_answer_is_first_then_what_to_do_then_the_table() -> None:
    checks = (GOOD, BAD, UNKNOWN)
    lines = printed(Report("verify", "dev", checks), ("binding", "role", "trust"), rows_of(checks, ("role", "trust")))

    assert lines == [
        *("stack dev: 1 check with findings, 1 with no permission, 1 ok: 2 bindings", ""),
        "app: trust: role app: finding",
        *("    found:    this <one>", "    expected: that & that", "    do:       pulumi up --refresh", ""),
        *("web: role: role web: not checked: no permission", "    reason: iam:GetRole: AccessDenied", ""),
        *("binding  role           trust", "app      ok             finding", "web      no permission"),
    ]


KEYS = st.sampled_from(["app", "ok", "finding", "no answer"])


@given(st.lists(st.builds(Check, KEYS, st.sampled_from([*CHECKS]), st.sampled_from(Outcome), st.text(max_size=9))))
def test_the_first_line_counts_what_the_table_shows(checks: list[Check]) -> None:
    columns = [*CHECKS]
    rows, report = rows_of(checks, columns), Report("verify", "dev", checks)
    first, *rest = printed(report, ("binding", *columns), rows)
    cells = [cell for _, *cells in rows for cell in cells if cell]

    assert first not in rest
    assert len(cells) == len({(check.binding, check.check) for check in checks})
    counts = re.fullmatch("stack dev: (good, )?(.*): ([0-9]+) bindings?", first)
    assert counts
    assert (bool(counts[1]), int(counts[3])) == (report.exit_code == 0, len(rows))
    said = {
        re.sub("^with (findings)?|^$", lambda each: "finding" if each[1] else "", word): int(number)
        for number, word in re.findall(r"([0-9]+) (?:checks? )?([a-z ]+)", counts[2])
    }
    assert said == Counter(map(str, cells))
    bad = [each not in ("ok", "not checked", "unproven") for each in said]
    assert bad == sorted(bad, reverse=True)
    assert next(iter(said), "") == "finding" or "finding" not in said


def test_one_reason_is_said_once() -> None:
    reason = "sts:GetCallerIdentity: ExpiredToken: The security token included in the request is expired"
    unknown = [
        Check(f"app-{number}", kind, Outcome.NO_ANSWER, f"role {number}", reason)
        for number in range(7)
        for kind in ("role", "trust")
    ]
    lines = printed(Report("verify", "dev", (*unknown, BAD, BAD)), ("binding",), ())

    named = "app-0, app-1, app-2, app-3, app-4, and 2 more"
    assert lines[2] == "app: trust: role app: finding"
    assert lines[7:] == [f"{named}: role, trust: not checked: no answer", f"    reason: {reason}"]
    assert len(json.loads(as_json(Report("verify", "dev", unknown)))["checks"]) == 14


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "colored"), [("1", False), ("", True)])
def test_a_terminal_gets_a_table_and_no_color_is_respected(
    monkeypatch: pytest.MonkeyPatch, no_color: str, colored: bool
) -> None:
    """Protects NO_COLOR (https://no-color.org): set and not empty, no colour; the table stays."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    options = argparse.Namespace(json=False)
    code = publish(Report("verify", "dev", (GOOD, BAD)), ("binding", "trust"), (("app", "finding"),), options)

    assert code == 1
    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert plain_text.splitlines()[-2:] == ["binding  trust", "app      finding"]
    assert ("\x1b[31m" in terminal.getvalue() or "31m" in terminal.getvalue()) is colored


class Log(io.StringIO):
    """Standard error of a pipe, which tells when a line came."""

    def __init__(self) -> None:
        super().__init__()
        self.has_line = threading.Event()

    def write(self, text: str) -> int:
        self.has_line.set()
        return super().write(text)


def test_long_work_says_how_far_it_is_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr("irsa_cli.progress.PROGRESS_LINE_SECONDS", 0.01)

    def check(key: str) -> list[Check]:
        assert key != "c" or log.has_line.wait(timeout=60)
        return [Check(key, "role", Outcome.OK, key)]

    checks = check_all("verify", list("abc"), check, 3)

    assert [check.binding for check in checks] == ["a", "b", "c"]
    assert re.fullmatch(r"(irsa verify: [0-3] of 3 bindings\n)+", log.getvalue())


@pytest.mark.parametrize("is_terminal", [False, True])
def test_throttling_is_reported_while_it_lasts(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Terminal() if is_terminal else Log()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("irsa_cli.progress.PROGRESS_LINE_SECONDS", 0.01)
    with under_way("prove", "0 of 3 bindings"):
        for _ in range(500):
            slowed_down.set()
            if "AWS asks to slow down" in log.getvalue():
                break
            time.sleep(0.01)
        assert "irsa prove: 0 of 3 bindings; AWS asks to slow down" in log.getvalue()


def test_a_terminal_has_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    with under_way("diff", "stack [red]x") as show:
        show("stack [red]y")

    assert "irsa diff: stack [red]" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    # Erase the line, and show the cursor again: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
    assert "\x1b[2K" in terminal.getvalue()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        # https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html (AccessDenied has HTTP status 403)
        (failed_request("iam:GetRole: AccessDenied", 403), Outcome.NO_PERMISSION),
        # https://kubernetes.io/docs/reference/access-authn-authz/authentication/ (HTTP status 401)
        (failed_request("get pods: Unauthorized", 401), Outcome.NO_PERMISSION),
        (failed_request("iam:GetRole: ServiceFailure", 500), Outcome.NO_ANSWER),
        (SecretInStateError("the state keeps it as a secret"), Outcome.CANNOT_TELL),
    ],
)
def test_why_there_is_no_result_is_said(error: CouldNotLookError, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


# On a terminal of 80 columns no line of a message is too long, no name is broken, and a command is one line.


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
    """Assert that each name is in a line as it is, and that a line is longer than 80 characters only by one name."""
    text = "\n".join(lines)
    for name in (word for each in texts for word in UNBREAKABLE.findall(each)):
        assert name in text, name
    for line in lines:
        words = UNBREAKABLE.findall(line)
        assert len(line.rstrip()) <= WIDTH or len(words) == 1 or max(map(len, words)) > WIDTH, line


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
