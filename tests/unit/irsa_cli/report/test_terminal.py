"""How tables and messages look on a terminal; what follows was written by hand."""

import pytest

from irsa_cli.report.terminal import show_labeled, show_lines, show_parts, show_table

LONG = "arn:aws:iam::111122223333:role/" + "p" * 60 + "/app"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the terminal 40 columns wide."""
    monkeypatch.setenv("COLUMNS", "40")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.split("\n")[:-1]


def test_a_table_that_fits_is_as_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who compares a log with a screen: the same columns."""
    show_table(("binding", "role"), [("app", "ok"), ("web", "finding")])

    assert lines(capsys) == ["binding  role", "app      ok", "web      finding"]


def test_a_cell_ends_a_line_between_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects names in a list: each is whole, and the other cells of its row stand beside the first line."""
    show_table(("role", "assumed by", "used"), [("app", 'team-a/worker, "a b", team-b/worker', "never")])

    assert lines(capsys) == [
        "role  assumed by                   used",
        'app   team-a/worker, "a b",        never',
        "      team-b/worker",
    ]


def test_a_long_first_name_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the table from one long name: the other rows stay, and the name can be copied."""
    show_table(("binding", "role"), [("app", "ok"), ("n" * 38, "finding")])

    assert lines(capsys) == [
        "binding                          role",
        "app                              ok",
        "n" * 38,
        "                                 finding",
    ]


def test_rows_that_do_not_fit_are_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a role's ARN of the largest size: it is one piece, at the start of a line."""
    show_table(("binding", "role", "used"), [("app", LONG, "never"), ("web", "short", "not known")])

    assert lines(capsys) == [
        *("binding  app", "role", LONG, "used     never", ""),
        *("binding  web", "role     short", "used     not known", ""),
    ]


def test_the_parts_of_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who fixes something: each part begins a line, and the command is one line, to be copied."""
    command = "fix: kubectl annotate serviceaccount my-service-account -n default eks.amazonaws.com/role-arn-"
    show_parts(["app: account: default/app: finding", "found no annotation, so that its Pods get none", command], "red")

    assert lines(capsys) == [
        "app: account: default/app: finding",
        "    found no annotation, so that its",
        "        Pods get none",
        f"    {command}",
    ]


def test_a_line_without_a_style_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the commands that `adopt` and `explain` advise."""
    command = "  1. pulumi preview --stack organization/platform/production"
    show_lines([(command, ""), ("left: default/app; the role has another trust policy", "bold red")])

    show_lines([(f"  {'n' * 38}", "green")])

    expected = [command, "left: default/app; the role has", "    another trust policy", f"  {'n' * 38}"]
    assert lines(capsys) == expected


def test_a_message_beside_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the messages of `irsa check`: what is long goes on below, and a name that is too long, alone."""
    show_labeled("    do:      ", "write the ARN of a role in this AWS account")
    show_labeled("    found:   ", f"the role {LONG}")
    show_labeled("    found:   ", "the cluster's role 'a role of two' and another's")

    assert lines(capsys) == [
        "    do:      write the ARN of a role in",
        "             this AWS account",
        "    found:   the role",
        LONG,
        "    found:   the cluster's role",
        "             'a role of two' and",
        "             another's",
    ]
