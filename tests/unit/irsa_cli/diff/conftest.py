"""From what `pulumi preview --json` prints to what `irsa diff --json` does."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irsa_cli.main import main
from tests.unit.irsa_cli.diff.previews import digest

DiffJson = Callable[..., dict[str, Any]]


@pytest.fixture
def diff_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> DiffJson:
    """Return a function from a preview's steps to what is printed.

    Given the issuers of EKS clusters by ARN, or managed policies by ARN, it reads them and the state, as for a gate;
    without any of these, the file alone.
    """
    clusters: dict[str, str] = {}
    policies: dict[str, Any] = {}

    class AwsAccount:
        def __init__(self, number: str) -> None:
            self.number = number

        def eks(self, region: str) -> Any:
            def cluster(name: str) -> Any:
                issuer = clusters.get(f"arn:aws:eks:{region}:{self.number}:cluster/{name}")
                return issuer and SimpleNamespace(issuer=f"https://{issuer}")

            return SimpleNamespace(cluster=cluster)

        def document(self, arn: str) -> Any:
            return policies.get(arn)

    aws_accounts = SimpleNamespace(of_aws_account=AwsAccount)
    monkeypatch.setattr("irsa_world.live.aws.AwsAccountClients", lambda _: aws_accounts)
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [])

    def run(
        *steps: Any,
        eks: Mapping[str, str] | None = None,
        managed: Mapping[str, Any] | None = None,
        gate: str = "",
        **preview: Any,
    ) -> dict[str, Any]:
        for known, answers in ((clusters, eks), (policies, managed)):
            known.clear()
            known.update(answers or {})
        file = tmp_path / "preview.json"
        file.write_text(digest(steps, **preview))
        stack = [] if eks is None and managed is None and not gate else ["--stack", "dev"]
        code = main(["diff", "--preview", str(file), *stack, "--json", *(["--fail-on", gate] if gate else [])])
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (code, printed["good"]) in ((0, True), (1, False), (3, False))
        assert gate or printed["good"]
        return printed

    return run
