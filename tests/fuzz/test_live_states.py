"""Hostile live states through verify, prove and explain: no crash, no forged line, no unquoted command."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from irsa_cli.main import main
from tests.fuzz.conftest import SHARDS, amount_of
from tests.fuzz.hidden import hidden_in
from tests.fuzz.live_states import ISSUER, ROLE, Http, Session, State, kubeconfig
from tests.fuzz.printed import problems, unquoted
from tests.output_schemas import check_output

FEW, MANY = 96, 2_000
TRUST = Path("trust.json")
OFFLINE = ["explain", "web/app", ROLE, "--trust", str(TRUST), "--issuer", ISSUER]
SUBCOMMANDS = (["verify", "--pods"], ["prove"], ["explain", "web/app", ROLE], ["explain", "web/app"], OFFLINE)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_that_others_write_becomes_a_line_or_a_command(
    shard: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, Any], None],
) -> None:
    """Protects who reads a report and pastes its commands: text of a Pod, a policy or a server stays text.

    The attack: `ownerReferences[].name` of a Pod was printed as a command to run; the value of a variable forged a fix.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    amount = amount_of(shard, FEW, MANY)
    codes: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for number in amount.numbers:
        state = State(amount.seed, number)
        live(state, tmp_path, monkeypatch)
        for words in SUBCOMMANDS:
            # A terminal is drawn by another module, which takes longer.
            for shape in ([], ["--json"], *([["--terminal"]] if number % 8 < SHARDS else [])):
                code, wrong = run(words, shape, monkeypatch, capsys)
                codes[f"{words[0]} {code}"] += 1
                for each in wrong:
                    kind = " ".join((words[0], *shape, each.partition(":")[0]))
                    failures.setdefault(
                        kind, f"seed {amount.seed}, state {number}, {' '.join(words + shape)}: {each!a}"
                    )
    record_property("fuzz", f"seed {amount.seed}: {', '.join(f'{n} x {what}' for what, n in sorted(codes.items()))}")

    assert not failures, "\n" + "\n".join(failures.values())
    # Each subcommand is good at times, and finds something at times, or the states would show nothing.
    assert {f"{words[0]} {code}" for words in SUBCOMMANDS for code in (0, 1)} <= codes.keys()


def live(state: State, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the state where pulumi, AWS and the cluster are asked."""
    (folder / "kubeconfig").write_text(kubeconfig(state.context))
    (folder / TRUST).write_text(json.dumps(state.hostile_trust))
    # They read the packages' metadata each time, and have tests of their own.
    monkeypatch.setattr("irsa_cli.subcommands.require_one_version", lambda: None)
    monkeypatch.setattr("irsa_cli.subcommands.version", lambda _: "")
    answer = CompletedProcess([], 0, json.dumps(state.exported), "")
    monkeypatch.setattr("irsa_world.state.pulumi._run", lambda *_, **__: answer)
    # Below it, botocore registers 120 handlers for each session, which takes most of the time of a question.
    monkeypatch.setattr("irsa_world.live.aws._session", lambda _, **names: Session(state, **names))
    monkeypatch.setattr("irsa_world.live.connection.HttpClient", lambda *_: Http(state))


def run(
    words: list[str], shape: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    """Run a subcommand in one shape, and return its exit code, and what is wrong with what it said."""
    subcommand = words[0]
    with monkeypatch.context() as terminal:
        terminal.setattr(sys.stdout, "isatty", lambda: shape == ["--terminal"])
        # As Python's own standard error does with what has no UTF-8.
        sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        code = main([*words, *(shape if shape == ["--json"] else [])])
    said, complaint = capsys.readouterr()
    wrong = problems(complaint)
    if "please report it" in said + complaint:
        wrong.append(f"crash: {complaint.strip() or said}")
    if shape == ["--json"]:
        wrong += json_problems(subcommand, said) if said else []
    else:
        wrong += problems(said)
    return code, wrong


def json_problems(subcommand: str, said: str) -> list[str]:
    """Return what is wrong with JSON: its commands, and what a terminal or a log would make of it."""
    document = check_output(subcommand, said)
    fixes = (check["fix"] for check in document.get("checks", ()) if check["fix"])
    commands = [f"{wrong}: {fix!r}" for fix in fixes if not fix.startswith("https://") for wrong in unquoted(fix)]
    return commands + [f"hidden character: {line}" for line in hidden_in(said.splitlines())]
