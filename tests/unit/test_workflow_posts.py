"""What the workflows post to GitHub: their own steps, run in bash with a stand-in of `gh`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.verify.comparison import rows_of
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.report.text import plain, section_of
from tests.gh import BOT
from tests.workflows import BASH, GH, workflow, write_programs, write_record

MALLORY = {"login": "mallory"}
# Whatever somebody else may write: nobody is mentioned, and nothing is opened, closed or formatted.
HOSTILE = "@everyone </details> ``` <!-- <img src=x> | # heading"


class Steps:
    """The steps of a workflow's job, run in a folder of their own."""

    def __init__(self, folder: Path, stack: str = "prod") -> None:
        self.folder, self.stack = folder / "checkout", stack
        self.folder.mkdir()
        self.record_file = folder / "github.json"
        write_record(self.record_file)
        self.programs = folder / "programs"
        write_programs(self.programs, {"gh": GH})

    @property
    def record(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.record_file.read_text())
        return read

    def run(self, name: str, step: str, **variables: str) -> int:
        jobs = workflow(f"{name}.yml")["jobs"].values()
        (found,) = [each for job in jobs for each in job.get("steps", ()) if each.get("name") == step]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.programs), os.environ["PATH"]]),
            "GH_RECORD": str(self.record_file),
            "GH_TOKEN": "token",
            "GITHUB_REPOSITORY": "organization/irsa",
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary"),
            "STACK": self.stack,
            "NUMBER": "7",
            "PREVIEWED": "success",
            "COMMIT": "c0ffee",
            "REVIEWED": "false",
            "RUN": "https://github.com/organization/irsa/actions/runs/1",
            **variables,
        }
        answer = subprocess.run([*BASH, found["run"]], cwd=self.folder, env=environment, check=False, timeout=60)
        return answer.returncode

    def comment(self, text: str) -> list[dict[str, Any]]:
        (self.folder / "changes.md").write_text(f"{text}\n")
        assert self.run("preview", "Comment") == 0
        comments: list[dict[str, Any]] = self.record["comments"]
        return comments

    def report(self, text: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if text is not None:
            (self.folder / "report.md").write_text(f"{text}\n")
        assert self.run("drift", "Report", COMPARED="success" if text is None else "failure") == 0
        return self.record["issues"], self.record["comments"]


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


def test_the_comment_of_somebody_else_is_not_edited(steps: Steps) -> None:
    others = [
        {"id": number, "issue": 7, "user": MALLORY, "body": "<!-- irsa preview of prod -->\nApprove this."}
        for number in (1, 2)
    ]
    write_record(steps.record_file, comments=others)
    steps.comment("first")
    found = steps.comment("second")

    assert found[:2] == others
    assert [each["user"]["login"] for each in found[2:]] == [BOT]


def test_a_file_of_the_branch_is_no_preview(steps: Steps) -> None:
    """The attack: a branch with a changes.md that says that nobody gains, and a preview that fails or never runs."""
    forged = steps.folder / "changes.md"
    forged.write_text("**gains:** nobody\n")
    assert steps.run("preview", "Comment", PREVIEWED="skipped") == 0
    write_programs(steps.programs, {"pulumi": "echo error: no such stack >&2; exit 255"})
    write_programs(steps.folder / ".venv" / "bin", {"irsa": "exit 2"})
    (comment,) = steps.record["comments"]

    assert "No preview of stack `prod`: an earlier step failed." in comment["body"]
    assert steps.run("preview", "Preview") == 2
    assert "gains" not in comment["body"] + forged.read_text()


@pytest.mark.parametrize(("step", "name"), [
    ("CHECKED", "Check the stack file, without credentials"), ("LIVE", "Check what `pulumi up` would refuse half-way"),
])  # fmt: skip
def test_what_irsa_check_reports_is_in_the_comment(steps: Steps, step: str, name: str) -> None:
    (steps.folder / "check.txt").write_text("of the branch: all is good")
    assert steps.run("preview", "Comment", PREVIEWED="skipped") == 0
    assert "all is good" not in steps.record["comments"][0]["body"]
    write_programs(steps.folder / ".venv" / "bin", {"irsa": "echo 'a mistake @everybody'; exit 1"})
    assert steps.run("preview", name) == 1
    assert steps.run("preview", "Comment", PREVIEWED="skipped", **{step: "failure"}) == 0
    # Indented, it is a block of code.
    assert "\n\n    a mistake @everybody\n" in steps.record["comments"][0]["body"]


@pytest.mark.parametrize("gate", ["gains", "dangerous"])
def test_a_preview_that_a_gate_stops_is_red_until_somebody_lets_it_through(steps: Steps, gate: str) -> None:
    """The attack: a pull request with `*` on `*`, which passed every check; what it gives is in the comment."""
    write_programs(steps.programs, {"pulumi": "echo {}"})
    stopped = f'case " $* " in *" --fail-on {gate} "*) echo "gains everything" > changes.md; exit 1;; esac'
    write_programs(steps.folder / ".venv" / "bin", {"irsa": stopped})

    for reviewed, code, says in (
        ("false", 1, "Stopped: whoever has reviewed it sets the label `irsa-reviewed`, which counts for c0ffee alone."),
        ("true", 0, "Let through: the label `irsa-reviewed` was set on c0ffee."),
    ):
        assert steps.run("preview", "Preview", REVIEWED=reviewed) == code
        assert steps.run("preview", "Comment", PREVIEWED="failure" if code else "success") == 0
        (comment,) = steps.record["comments"]
        assert "gains everything" in comment["body"]
        assert says in comment["body"]


@pytest.mark.parametrize(
    ("pulumi", "irsa"),
    [("exit 255", "exit 2"), ("echo {}", "exit 1"), ("exit 255", "echo all > changes.md; exit 1")],
)
def test_no_label_lets_a_failure_through(steps: Steps, pulumi: str, irsa: str) -> None:
    """Protects from a review of nothing: a preview that failed, or `irsa diff`, which says nothing when it crashes."""
    write_programs(steps.programs, {"pulumi": pulumi})
    write_programs(steps.folder / ".venv" / "bin", {"irsa": irsa})

    assert steps.run("preview", "Preview", REVIEWED="true") != 0


def test_a_push_removes_the_label(steps: Steps) -> None:
    write_record(steps.record_file, labels=["other", "irsa-reviewed"])

    assert steps.run("preview", "Remove the label of an earlier commit") == 0
    assert steps.record["labels"] == ["other"]


def test_what_main_has_left_behind_is_not_deployed(steps: Steps) -> None:
    step = "Refuse a commit that is not the latest"
    assert [steps.run("deploy", step, GITHUB_SHA=each) for each in ("c0ffee", "deadbeef")] == [0, 1]


@pytest.mark.parametrize("name", ["preview", "deploy"])
def test_why_a_preview_fails_is_a_block_of_code(steps: Steps, name: str) -> None:
    """Protects readers: each line of the reason is indented, so that GitHub formats none and mentions nobody.

    Where pulumi prints no JSON at all, its own error is the reason. A carriage return would end a line, too:
    https://github.github.com/gfm/#indented-code-blocks, https://github.github.com/gfm/#line-ending
    """
    said = f"irsa diff: the preview of stack prod failed\n  {HOSTILE}\n{HOSTILE}\n"
    (steps.folder / "said").write_text(said.replace(HOSTILE, HOSTILE.replace(" ", "\r", 1)))
    write_programs(steps.programs, {"pulumi": "echo error: no such stack >&2; exit 255"})
    write_programs(steps.folder / ".venv" / "bin", {"irsa": "cat said >&2; exit 2"})

    assert steps.run(name, "Preview", REPAIR="false") == 2
    reasons = ["error: no such stack", *said.splitlines()]
    assert (steps.folder / "changes.md").read_text() == "".join(f"    {line}\n" for line in reasons)


def test_the_issue_of_somebody_else_is_left(steps: Steps) -> None:
    others = [
        {"number": number, "state": "open", "user": MALLORY, "body": body}
        for number, body in ((1, "<!-- irsa drift of prod, -->"), (2, None), (3, ""))
    ]
    write_record(steps.record_file, issues=others)
    steps.report("one thing")
    issues, _ = steps.report(None)

    assert issues[:3] == others
    assert [each["state"] for each in issues[3:]] == ["closed"]


def test_what_verify_found_is_a_block_of_code(steps: Steps) -> None:
    checks = [
        Check("prod", "role", Outcome.FINDING, "role prod", HOSTILE, "x"),
        Check("binding", "role", Outcome.FINDING, "role binding", "y", "z"),
    ]
    report_of = section_of(Report("verify", "prod", checks), ("binding", "role"), rows_of(checks, ["role"]))
    lines = plain([report_of])
    assert lines[-3:] == ["binding  role", "prod     finding", "binding  finding"]
    (steps.folder / "said").write_text("".join(f"{line}\n" for line in lines))
    write_programs(steps.programs, {"pulumi": "exit 0"})
    irsa = '[ "$1" = diff ] && echo changes > changes.md && exit; cat said; exit 1'
    write_programs(steps.folder / ".venv" / "bin", {"irsa": irsa})

    assert steps.run("drift", "Compare") == 1
    report = (steps.folder / "report.md").read_text()
    found = "".join(f"    {line}\n" for line in lines[:-3])
    assert report.startswith(f"What `irsa verify` found:\n\n{found}\nWhat `pulumi up")
    assert report.endswith("\n\nchanges\n")
