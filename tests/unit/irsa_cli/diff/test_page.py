"""The example of docs/diff.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from irsa_world.model import ServiceAccount
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import POLICY, digest, resource, role, step, trust, without_outputs
from tests.unit.irsa_cli.diff.test_subcommand import Cluster

PAGE = Path(__file__).parents[4] / "docs" / "diff.md"


def policy(actions: list[str], *buckets: str) -> dict[str, Any]:
    statement = {
        "Sid": "Read",
        "Effect": "Allow",
        "Action": actions,
        "Resource": [f"arn:aws:s3:::{b}/*" for b in buckets],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return resource(POLICY, "reports", {"name": "reports", "policy": document}, "reports")


def named(name: str, *subjects: str, **tags: str) -> dict[str, Any]:
    found = role(trust(*subjects), name, name)
    parent = {"parent": found["parent"].replace("::app", f"::{name}")}
    return {**found, **parent, "inputs": {**found["inputs"], "tags": tags}}


def test_the_example_is_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        step(
            "update", named("reports", "team-a:reports"), without_outputs(named("reports", "team-a:*", team="payments"))
        ),
        step("update", policy(["s3:GetObject"], "a", "drafts"), policy(["s3:GetObject", "s3:ListBucket"], "a")),
    ]
    warning = {"severity": "warning", "message": "warning: 'team-a:*' trusts all service accounts of team-a"}
    text = digest(steps, diagnostics=[warning], changeSummary={"same": 40}).replace("urn:pulumi:dev", "urn:pulumi:prod")
    provider = {"urn": "urn:pulumi:prod::irsa::pulumi:providers:kubernetes::k", "type": "pulumi:providers:kubernetes"}
    monkeypatch.setattr("irsa_cli.diff.work.previewed", lambda *_: (text, ""))
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [parse_resource(provider, "state")])
    found = [ServiceAccount("test", "team-a", name) for name in ("builder", "reports", "default")]
    monkeypatch.setattr(Cluster, "service_accounts", lambda *_: found)
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClients.of", lambda *_: Cluster())

    assert main(["diff", "--stack", "prod"]) == 0
    example = PAGE.read_text().partition("$ irsa diff --stack prod\n")[2].partition("```")[0]
    assert capsys.readouterr().out == example
