"""From what `pulumi preview --json` prints to what `irsa diff --json` does."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irsa_cli.main import main
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import digest

DiffJson = Callable[..., dict[str, Any]]


@pytest.fixture
def diff_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> DiffJson:
    """Return a function from a preview's steps to what is printed.

    Given managed policies by ARN, or a state, it reads them, as for a gate; without any of these, the file alone.
    """
    policies: dict[str, Any] = {}

    aws_accounts = SimpleNamespace(of_aws_account=lambda _: SimpleNamespace(document=policies.get))
    monkeypatch.setattr("irsa_world.live.aws.AwsAccountClients", lambda _: aws_accounts)
    there: list[Any] = []
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: there)

    def run(
        *steps: Any,
        managed: Mapping[str, Any] | None = None,
        gate: str = "",
        state: Sequence[Any] | None = None,
        **preview: Any,
    ) -> dict[str, Any]:
        policies.clear()
        policies.update(managed or {})
        there[:] = [parse_resource(each, "state") for each in state or ()]
        file = tmp_path / "preview.json"
        file.write_text(digest(steps, **preview))
        stack = [] if managed is None and state is None and not gate else ["--stack", "dev"]
        code = main(["diff", "--preview", str(file), *stack, "--json", *(["--fail-on", gate] if gate else [])])
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (code, printed["good"]) in ((0, True), (1, False), (3, False))
        assert gate or printed["good"]
        return printed

    return run
