"""The subcommand diff, without the engine: what it reads, prints and writes, and its exit codes."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from irsa_world.exits import CouldNotLookError
from irsa_world.model import ServiceAccount
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    SERVICE_ACCOUNT_PATCH,
    digest,
    resource,
    role,
    step,
    trust,
    without_outputs,
)

PREVIEW = digest(
    [step("update", role(trust("team-a:worker")), without_outputs(role(trust("team-a:worker", "team-a:builder"))))]
)
FIRST = "gains: team-a/builder -> my-role; loses: nobody"


@pytest.fixture
def preview(tmp_path: Path) -> Path:
    file = tmp_path / "preview.json"
    file.write_text(PREVIEW)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_standard_input(encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PREVIEW.encode(encoding))))

    assert main(["diff", "--preview", "-"]) == 0
    assert capsys.readouterr().out.startswith(FIRST)


def test_markdown(preview: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comment = tmp_path / "comment.md"
    assert main(["diff", "--preview", str(preview), "--markdown", str(comment)]) == 0
    assert capsys.readouterr().out.startswith(FIRST)
    assert main(["diff", "--preview", str(preview), "--markdown", "-"]) == 0

    assert capsys.readouterr().out == comment.read_text() + "\n"
    assert comment.read_text().startswith("### irsa diff: stack `dev`\n\n**gains:** `team-a/builder -> my-role`")


def test_a_failure_commands_no_ci(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a message that annotates the pull request, or silences the log, as a command of GitHub's runner."""
    file = tmp_path / "preview.json"
    said = "error: first\n  ::notice::nobody gains\n::stop-commands::x"
    file.write_text(json.dumps({"diagnostics": [{"severity": "error", "message": said}]}))

    assert main(["diff", "--stack", "dev", "--preview", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert lines[-1].endswith(":stop-commands::x")


@pytest.mark.parametrize("depth", [101, 480, 100_000])
def test_a_preview_that_is_nested_too_deeply(depth: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = without_outputs(role(trust("team-a:worker")))
    new["inputs"]["tags"] = "DEEP"
    text = digest([step("update", role(trust("team-a:worker")), new)])
    file = tmp_path / "preview.json"
    file.write_text(text.replace('"DEEP"', '{"a":' * depth + '"x"' + "}" * depth))

    assert main(["diff", "--preview", str(file)]) == 2
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

    assert main(["diff", *arguments]) == 2
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
    assert found.startswith(FIRST)
    assert "not read: the state: no credentials" in found
    assert "not read: service accounts: the stack has no Kubernetes provider" in found


PROVIDER = {
    "urn": "urn:pulumi:dev::irsa::pulumi:providers:kubernetes::k",
    "type": "pulumi:providers:kubernetes",
    "id": "1",
}


class Cluster:
    """A cluster that counts the lists."""

    lists = 0
    issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"

    def service_accounts(self, _: None) -> list[ServiceAccount]:
        Cluster.lists += 1
        there = {"team": "a", "owner": "somebody", "note": "kept"}
        return [ServiceAccount("test", "team-a", name, there) for name in ("builder", "worker", "default")]


def test_a_thousand_bindings_ask_the_cluster_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        step(
            "update",
            role(trust("team-a:worker"), f"role-{index}", f"app-{index}"),
            without_outputs(role(trust("team-a:*"), f"role-{index}", f"app-{index}")),
        )
        for index in range(1_000)
    ]
    file = tmp_path / "preview.json"
    file.write_text(digest(steps))
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [parse_resource(PROVIDER, "state")])
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClients.of", lambda *_: Cluster())
    Cluster.lists = 0

    assert main(["diff", "--stack", "dev", "--preview", str(file), "--json"]) == 0
    gains = json.loads(capsys.readouterr().out)["gains"]
    assert Cluster.lists == 1
    assert len(gains) == 1_000
    assert gains[0]["suchAs"] == ["team-a/builder", "team-a/default"]


@pytest.mark.parametrize(
    ("name", "which"), [("worker", "own"), ("worker", "another"), ("gone", "own"), ("worker", "not read")]
)
def test_an_annotation_that_is_there_is_not_added(
    name: str, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    is_read = which != "not read"

    def cluster(*_: Any) -> Cluster:
        if not is_read:
            raise CouldNotLookError("no route to host")
        return Cluster()

    annotations = {"team": "a", "owner": "us", "eks.amazonaws.com/role-arn": "arn:x"}
    metadata = {"namespace": "team-a", "name": name, "annotations": annotations}
    file = tmp_path / "preview.json"
    provider = PROVIDER["urn"].replace("::k", "::other" if which == "another" else "::k")
    patch = resource(SERVICE_ACCOUNT_PATCH, "x", {"metadata": metadata}, provider=f"{provider}::1")
    file.write_text(digest([step("create", None, patch)]))
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [parse_resource(PROVIDER, "state")])
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClients.of", cluster)
    Cluster.lists = 0

    assert main(["diff", "--stack", "dev", "--preview", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (changed,) = found["bindings"][0]["resources"]
    properties = {each["property"].rpartition(".")[2]: (each["before"], each["after"]) for each in changed["settings"]}
    is_there = which == "own" and name == "worker"
    assert (changed["word"], Cluster.lists, len(found["notRead"])) == ("adopt", int(is_read), int(not is_read))
    assert properties == {
        **({} if is_there else {"team": (None, "a")}),
        "owner": ("somebody" if is_there else None, "us"),
        'com/role-arn"]': (None, "arn:x"),
    }


def test_no_cluster_is_asked_where_no_role_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preview.json"
    before = role(trust("team-a:worker"))
    file.write_text(digest([step("update", before, {**before, "inputs": {**before["inputs"], "tags": {"a": "b"}}})]))
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [])
    Cluster.lists = 0
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClients.of", lambda *_: Cluster())

    assert main(["diff", "--stack", "dev", "--preview", str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("gains: nobody; loses: nobody\n")
    assert "not read" not in printed
    assert Cluster.lists == 0


def test_a_preview_that_fails_without_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("irsa_cli.diff.work.previewed", lambda *_: (PREVIEW, "pulumi preview: exit code 255"))

    assert main(["diff"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (
        "",
        "irsa diff: the preview of stack dev failed\n  pulumi preview: exit code 255\n",
    )
