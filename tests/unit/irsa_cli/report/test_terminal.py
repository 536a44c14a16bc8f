"""How tables and messages look on a terminal; what follows was written by hand."""

import pytest

from irsa_cli.report.message import Message
from irsa_cli.report.terminal import message_lines, show_lines, table_lines

LONG = "arn:aws:iam::111122223333:role/" + "p" * 60 + "/app"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the terminal 40 columns wide."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))


WIDTH = 40


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.split("\n")[:-1]


def test_a_table_that_fits_is_as_in_a_pipe() -> None:
    """Protects who compares a log with a screen: the same columns."""
    found = table_lines(("binding", "role"), [("app", "ok"), ("web", "finding")], WIDTH)

    assert [*map(str, found)] == ["binding  role", "app      ok", "web      finding"]


def test_a_cell_ends_a_line_between_words() -> None:
    """Protects names in a list: each is whole, and the other cells of its row stand beside the first line."""
    found = table_lines(
        ("role", "assumed by", "used"), [("app", 'team-a/worker, "a b", team-b/worker', "never")], WIDTH
    )

    assert [*map(str, found)] == [
        "role  assumed by                   used",
        'app   team-a/worker, "a b",        never',
        "      team-b/worker",
    ]


def test_a_long_name_loses_its_middle() -> None:
    """Protects the columns from one long name: others stay whole, and of a name its start and its end are seen.

    A quoted name keeps its quotes, whatever is cut: an escape cut in two would end them.
    """
    quoted = '"' + "n" * 40 + r'\" EVIL"'
    found = table_lines(
        ("binding", "role", "used"), [(LONG, "ok", "never"), ("web", f"{LONG}, {quoted}, x", "not known")], WIDTH
    )

    assert [*map(str, found)] == [
        *("binding        role            used", "arn:a...p/app  ok              never"),
        *("web            arn:a...p/app,  not known", '               "nnnnnnnn...",', "               x"),
    ]


def test_the_parts_of_a_message() -> None:
    """Protects who fixes something: what is long goes on below its label; the command is one line, to be copied."""
    command = "kubectl annotate serviceaccount my-service-account -n default eks.amazonaws.com/role-arn-"
    parts = ("found", "no annotation, so that its Pods get none"), ("expected", "the role 'a role of two'"), ("x", LONG)
    found = message_lines(Message("app: account: default/my-service-account: finding", parts, command), "red", WIDTH)

    assert [*map(str, found)] == [
        "app: account:",
        "        default/my-service-account:",
        "        finding",
        "    found:    no annotation, so that its",
        "              Pods get none",
        "    expected: the role 'a role of two'",
        f"    x:        {LONG}",
        f"    do:       {command}",
        "",
    ]


def test_a_line_without_a_style_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the commands that `adopt` and `explain` advise."""
    command = "  1. pulumi preview --stack organization/platform/production"
    show_lines([(command, ""), ("left: default/app; the role has another trust policy", "bold red")])

    show_lines([(f"  {'n' * 38}", "green")])

    expected = [command, "left: default/app; the role has another", "    trust policy", f"  {'n' * 38}"]
    assert lines(capsys) == expected
