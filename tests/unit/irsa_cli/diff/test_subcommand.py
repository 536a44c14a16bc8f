"""The subcommand diff, without the engine: what it reads, prints and writes, its gates and its exit codes."""

import io
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.diff.changes import ResourceChange
from irsa_cli.diff.dangers import DangerousGain
from irsa_cli.diff.fail_on import FAIL_ON, exit_code
from irsa_cli.diff.guards import GuardChange
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.who import Right
from irsa_cli.main import main
from irsa_world.exits import CouldNotLookError
from irsa_world.model import ServiceAccount
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    COMPONENT,
    OTHER_ISSUER,
    diff,
    digest,
    resource,
    role,
    step,
    trust,
    without_outputs,
)

OTHER_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
WORKER = role(trust("team-a:worker"))
PREVIEW = digest([step("update", WORKER, without_outputs(role(trust("team-a:worker", "team-a:builder"))))])
FIRST = "gains: team-a/builder -> my-role; loses: nobody"
ALONE = "~ the state was not read, so more may be gained and lost than what follows"


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
    first, *_, second = capsys.readouterr().out.partition(FIRST)
    assert first.startswith(ALONE)
    assert second


def test_markdown_and_a_gate(preview: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comment = tmp_path / "comment.md"
    gates = ["--fail-on", "deletes", "--fail-on", "gains"]
    assert main(["diff", "--preview", str(preview), "--markdown", str(comment), *gates]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(ALONE)
    assert printed.err == "irsa diff: stopped by --fail-on: gains\n"
    assert main(["diff", "--preview", str(preview), "--markdown", "-", *gates[:2]]) == 0

    assert capsys.readouterr().out == comment.read_text() + "\n"
    assert comment.read_text().startswith(f"### irsa diff: stack `dev`\n\n```diff\n{ALONE}")
    assert "\n\n**gains:** `team-a/builder -> my-role`" in comment.read_text()


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
    told = " ".join(line.strip("+ ") for line in capsys.readouterr().out.partition("gains:")[2].splitlines()[:4])
    assert f"team-a/worker in {key or OTHER_ISSUER}" in told


def test_a_failure_commands_no_ci(preview: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a message that annotates the pull request, or silences the log, as a command of GitHub's runner."""
    said = "error: first\n  ::notice::nobody gains\n::stop-commands::x"
    preview.write_text(json.dumps({"diagnostics": [{"severity": "error", "message": said}]}))

    assert main(["diff", "--stack", "dev", "--preview", str(preview)]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert lines[-1].endswith(":stop-commands::x")


@pytest.mark.parametrize("depth", [101, 100_000])
def test_a_preview_that_is_nested_too_deeply(depth: int, preview: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = digest([step("update", WORKER, {**WORKER, "inputs": {"tags": "DEEP"}})])
    preview.write_text(text.replace('"DEEP"', '{"a":' * depth + '"x"' + "}" * depth))

    assert main(["diff", "--preview", str(preview)]) == 3
    assert "its values are nested too deeply" in capsys.readouterr().err


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
    assert found.startswith(f"{ALONE} says: ~ no credentials {FIRST}")
    assert "not read: service accounts: the stack has no Kubernetes provider" in found


def test_a_preview_that_fails_without_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("irsa_cli.diff.work.previewed", lambda *_: (PREVIEW, "pulumi preview: exit code 255"))

    assert main(["diff"]) == 3
    printed = capsys.readouterr()
    said = "irsa diff: the preview of stack dev failed\n  pulumi preview: exit code 255\n"
    assert (printed.out, printed.err) == ("", said)


# --- what the cluster is asked ----------------------------------------------------------------------------------------

K = "urn:pulumi:dev::irsa::pulumi:providers:kubernetes::k"
PROVIDER = {"urn": K, "type": "pulumi:providers:kubernetes", "id": "1"}


class Cluster:
    """A cluster that counts the lists."""

    lists = 0
    issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"

    def service_accounts(self, _: None) -> list[ServiceAccount]:
        self.lists += 1
        return [ServiceAccount("test", "team-a", name) for name in ("builder", "worker", "default")]


Told = Callable[..., dict[str, Any]]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return the cluster of the stack's provider."""
    found = Cluster()
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [parse_resource(PROVIDER, "state")])
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClients.of", lambda *_: found)
    return found


@pytest.fixture
def told(cluster: Cluster, preview: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Return a function from steps to what is printed."""

    def run(*steps: Any) -> Any:
        preview.write_text(digest(steps))
        assert main(["diff", "--stack", "dev", "--preview", str(preview), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_many_bindings_ask_the_cluster_once(cluster: Cluster, told: Told) -> None:
    def named(number: int, subject: str) -> dict[str, Any]:
        return role(trust(subject), f"role-{number}", f"app-{number}")

    steps = [step("update", named(n, "team-a:worker"), without_outputs(named(n, "team-a:*"))) for n in range(50)]
    gains = told(*steps)["gains"]

    assert (cluster.lists, len(gains)) == (1, 50)
    assert gains[0]["suchAs"] == ["team-a/builder", "team-a/default"]


def test_no_cluster_is_asked_where_no_role_changes(cluster: Cluster, told: Told) -> None:
    found = told(step("update", WORKER, {**WORKER, "inputs": {**WORKER["inputs"], "tags": {"a": "b"}}}))

    assert (found["gains"], found["loses"], found["notRead"], cluster.lists) == ([], [], [], 0)


# --- gates ------------------------------------------------------------------------------------------------------------

RIGHT, UNDECIDED = Right("team-a/app", "r", "", ""), Undecided("r", "", "why")
ASSUMED = DangerousGain("team-a/app", "r", "", "", "why")
NOT_READ = PermissionChange("r", "", "gains", policy="arn:aws:iam::111122223333:policy/not-read")


def changed(operation: str) -> dict[str, Any]:
    return {"resources": [ResourceChange(operation, "role", "r", "urn")]}


def permission(change: Any, extent: Any = "all", dangerous: bool = False) -> dict[str, Any]:
    return {"permissions": [PermissionChange("r", "", change, ("*",), ("*",), extent, dangerous=dangerous)]}


# What --fail-on stops at, by what a diff has: what may be, or cannot be told, must not pass a gate.
OF_PERMISSIONS = [
    permission("gains", dangerous=True),
    {"permissions": [NOT_READ]},
    {"permissions_cannot_tell": [UNDECIDED]},
]
STOPS: dict[str, list[dict[str, Any]]] = {
    "gains": [{"gains": [RIGHT]}, {"may_gain": [RIGHT]}, {"cannot_tell": [UNDECIDED]}, {"other_principals": ["r"]}],
    "permissions": [*(permission("gains", extent) for extent in ("all", "some", "cannot tell")), *OF_PERMISSIONS],
    "dangerous": [
        *OF_PERMISSIONS,
        {"dangerous": [ASSUMED]},
        {"guard": [GuardChange("", "roleAnnotations", "deny", "warn", dangerous=True)]},
        {"guard": [GuardChange("", "pods", "off", "cannot tell")]},
    ],
    "replaces": [changed("replace")],
    "deletes": [changed("delete")],
}
NOTHING: list[dict[str, Any]] = [
    *({}, {"loses": [RIGHT]}, {"may_lose": [RIGHT]}, permission("loses"), permission("loses", dangerous=True)),
    *(changed(each) for each in ("create", "update", "import")),
    {"guard": [GuardChange("blue", "pods", "off", "deny", ("team-a/app",))]},
]


@pytest.mark.parametrize("gate", FAIL_ON)
def test_what_a_gate_stops_at(gate: str) -> None:
    others = [each for each in itertools.chain(NOTHING, *STOPS.values()) if each not in STOPS[gate]]

    assert all(FAIL_ON[gate](diff(**each)) for each in STOPS[gate])
    assert not any(FAIL_ON[gate](diff(**each)) for each in others)


@pytest.mark.parametrize(
    ("gate", "found", "certain"),
    [
        ("gains", {"gains": [RIGHT], "cannot_tell": [UNDECIDED]}, True),
        *(("gains", each, False) for each in ({"may_gain": [RIGHT]}, {"cannot_tell": [UNDECIDED]})),
        *(("permissions", permission("gains", each), each != "cannot tell") for each in ("all", "some", "cannot tell")),
        *(
            ("dangerous", each, False)
            for each in ({"permissions": [NOT_READ]}, {"permissions_cannot_tell": [UNDECIDED]})
        ),
        ("dangerous", {"guard": [GuardChange("", "pods", "off", "cannot tell")]}, False),
        ("dangerous", {**permission("gains", dangerous=True), "permissions_cannot_tell": [UNDECIDED]}, True),
        ("dangerous", {**permission("loses", dangerous=True), "permissions_cannot_tell": [UNDECIDED]}, False),
        *((each, {"state_not_read": "x"}, False) for each in ("gains", "permissions", "dangerous")),
        ("deletes", {**changed("delete"), "cannot_tell": [UNDECIDED]}, True),
    ],
)
def test_a_gate_that_stops_only_by_what_irsa_cannot_tell(gate: str, found: dict[str, Any], certain: bool) -> None:
    assert FAIL_ON[gate](diff(**found))
    assert exit_code(diff(**found), [gate]) == (1 if certain else 3)
    assert exit_code(diff(**{**found, **changed("delete")}), [gate, "deletes"]) == 1
