"""The subcommand diff, without the engine: what it reads, prints and writes, its gates and its exit codes."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.diff.rows import GATES
from irsa_cli.main import main
from irsa_world.exits import CouldNotLookError
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    COMPONENT,
    OTHER_ISSUER,
    SECRET,
    attached,
    changed,
    create,
    digest,
    inline,
    resource,
    role,
    statement,
    step,
    trust,
    update,
    with_inputs,
    without_outputs,
)
from tests.unit.irsa_cli.diff.test_guards import guard
from tests.world import document

EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
OTHER_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
WORKER = role(trust("team-a:worker"))
PREVIEW = digest([step("update", WORKER, without_outputs(role(trust("team-a:worker", "team-a:builder"))))])
ALONE = "not compared: what the preview leaves out"
FIRST = "gains: team-a/builder -> my-role; loses: nobody"


@pytest.fixture
def preview(tmp_path: Path) -> Path:
    file = tmp_path / "preview.json"
    file.write_text(PREVIEW)
    return file


# Windows PowerShell writes the latter two.
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_standard_input(encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PREVIEW.encode(encoding))))

    assert main(["diff", "--preview", "-"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(ALONE)
    assert FIRST in " ".join(said.split())


def test_markdown_and_a_gate(preview: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comment = tmp_path / "comment.md"
    gates = ["--fail-on", "deletes", "--fail-on", "gains"]
    assert main(["diff", "--preview", str(preview), "--markdown", str(comment), *gates]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(ALONE)
    next_step = "  review the rows above; if they are intended, run `pulumi up --stack dev`\n"
    assert printed.err == f"irsa diff: stopped by --fail-on: gains\n{next_step}"
    assert main(["diff", "--preview", str(preview), "--markdown", "-", *gates[:2]]) == 0

    assert capsys.readouterr().out == comment.read_text() + "\n"
    assert comment.read_text().startswith(f"### irsa diff: stack `dev`\n\n`{ALONE}")
    assert "\n```diff\n~ not compared:" in comment.read_text()


@pytest.mark.parametrize("key", ["green", ""])
def test_the_cluster_of_a_gain(key: str, preview: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The role has several clusters, and in another one the service account has it already."""
    before, other = trust("team-a:worker"), trust("team-a:worker", provider=OTHER_PROVIDER)
    new = role({**before, "Statement": [*before["Statement"], *other["Statement"]]})
    steps = [step("update", WORKER, without_outputs(new))]
    if key:
        name, outputs = f"team-a/worker@{OTHER_ISSUER}", {"key": "worker", "cluster": key}
        component = resource(COMPONENT, name, {}, "", outputs=outputs)
        steps.append(step("update", component, component))
    preview.write_text(digest(steps))

    assert main(["diff", "--preview", str(preview)]) == 0
    assert f"team-a/worker in {key or OTHER_ISSUER}" in " ".join(capsys.readouterr().out.split())


def test_a_failure_commands_no_ci(preview: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a message that annotates the pull request, or silences the log, as a command of GitHub's runner."""
    said = "error: first\n  ::notice::nobody gains\n::stop-commands::x"
    preview.write_text(json.dumps({"diagnostics": [{"severity": "error", "message": said}]}))

    assert main(["diff", "--stack", "dev", "--preview", str(preview)]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert lines[-1].endswith(":stop-commands::x")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preview", "missing.json"], "cannot read missing.json: No such file"),
        (["--preview", "."], "cannot read .: Is a directory"),
        (["--preview", "latin.json"], "latin.json is not UTF-8 text"),
        (["--preview", "empty.json"], "empty.json is not what `pulumi preview --json` prints: it is empty"),
        (["--preview", "preview.json", "--stack", "prod"], "the preview is of stack dev, not of prod"),
        (["--preview", "preview.json", "--json", "--markdown", "-"], "--json and --markdown - both print"),
        (["--preview", "preview.json", "--markdown", "no/such.md"], "cannot write no/such.md: No such file"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], says: str, preview: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(preview.parent)
    Path("latin.json").write_bytes("{é}".encode("latin-1"))
    Path("empty.json").touch()

    assert main(["diff", *arguments]) == (2 if says.startswith("--") else 3)
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_the_stack_may_be_given_with_its_owner(
    preview: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any) -> Any:
        raise CouldNotLookError("no credentials")

    monkeypatch.setattr("irsa_cli.diff.work.exported_state", refused)
    assert main(["diff", "--stack", "org/irsa/dev", "--preview", str(preview)]) == 0

    found = " ".join(capsys.readouterr().out.split())
    assert found.startswith(ALONE)
    assert "~ no credentials" in found


def test_a_preview_that_fails_without_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("irsa_cli.diff.work.previewed", lambda *_: (PREVIEW, "pulumi preview: exit code 255"))

    assert main(["diff"]) == 3
    printed = capsys.readouterr()
    said = "irsa diff: the preview of stack dev failed\n  pulumi preview: exit code 255\n"
    assert (printed.out, printed.err) == ("", said)


# --- gates ------------------------------------------------------------------------------------------------------------

SECRET_ROLE, TAKEN = role(SECRET), with_inputs(WORKER, description="d")
BUCKET = "arn:aws:s3:::a/*"
IP: Any = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
READS, WIDE = inline(statement("s3:GetObject", BUCKET)), inline(statement("*"))
BY_IP = inline(statement("s3:GetObject", BUCKET, Condition=IP))
OTHER = document(*trust("team-a:worker")["Statement"], {**EC2, "Principal": {"AWS": ACCOUNT}})
NOT_READ, STAYS = attached(f"arn:aws:iam::{ACCOUNT}:policy/not-read"), update(READS, READS)
MAY, HIDDEN = role(trust("team-a:worker", **IP)), with_inputs(READS, policy=SECRET)


# Each with the gates at which it stops, and the exit code; 3 is for what irsa cannot tell alone.
@pytest.mark.parametrize(
    ("steps", "stops"),
    [
        ([changed(trust("a:b"), trust("a:b", "a:c")), STAYS], {"gains": 1}),
        ([changed(trust("a:b", "a:c"), trust("a:b")), STAYS], {}),
        ([update(MAY, WORKER), STAYS], {"gains": 3}),
        ([update(WORKER, MAY), STAYS], {}),
        ([changed(trust("team-a:worker"), OTHER), STAYS], {"gains": 1}),
        ([update(WORKER, SECRET_ROLE), STAYS], {"gains": 3, "dangerous": 3}),
        ([update(TAKEN, TAKEN), create(READS)], {"permissions": 1}),
        ([update(TAKEN, TAKEN), update(BY_IP, READS)], {"permissions": 3}),
        ([update(TAKEN, TAKEN), update(READS, WIDE)], {"gains": 1, "permissions": 1, "dangerous": 1}),
        ([update(TAKEN, TAKEN), step("delete", WIDE)], {"deletes": 1}),
        (
            [update(TAKEN, TAKEN), update(READS, HIDDEN)],
            {"gains": 3, "permissions": 3, "dangerous": 3},
        ),
        ([update(TAKEN, TAKEN), STAYS, create(NOT_READ)], {"gains": 3, "permissions": 1, "dangerous": 3}),
        ([step("replace", TAKEN, TAKEN)], {"replaces": 1}),
        ([step("import", None, WORKER)], {}),
        ([update(guard({"a/x": "deny"}), guard({"a/x": "warn"}))], {"dangerous": 1}),
        ([update(guard({"a/x": "warn"}), guard({"a/x": "deny"}))], {}),
        ([create(guard(None))], {"dangerous": 3}),
    ],
)
def test_what_a_gate_stops_at(steps: Any, stops: dict[str, int], diff_json: DiffJson) -> None:
    """What may be, or cannot be told, must not pass a gate."""
    found = {gate: diff_json(*steps, gate=gate, state=())["exitCode"] for gate in GATES}

    assert {gate: code for gate, code in found.items() if code} == stops


def test_a_finding_wins_over_what_irsa_cannot_tell(preview: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preview.write_text(digest([update(MAY, WORKER), step("delete", WIDE)]))
    gates = ["--fail-on", "gains", "--fail-on", "deletes"]

    assert [main(["diff", "--preview", str(preview), *gates[:end]]) for end in (2, 4)] == [3, 1]


def test_what_is_imported_and_what_stays_are_named(diff_json: DiffJson) -> None:
    """Kubernetes keeps an object whose patch is deleted.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    patch = resource("kubernetes:core/v1:NamespacePatch", "team-a", {"metadata": {"name": "team-a"}})
    found = diff_json(step("import", None, without_outputs(WORKER)), step("delete", patch))
    said = [(each["change"], each["sentence"]) for each in found["rows"] if each["kind"] == "resource"]
    assert said == [("import", "Role my-role"), ("delete", "NamespacePatch team-a; the object stays")]
