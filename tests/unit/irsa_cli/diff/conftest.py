"""From what `pulumi preview --json` prints to what `irsa diff --json` does."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irsa.rules.names import snake
from irsa_cli.main import main
from irsa_world.model import ServiceAccount
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import ISSUER, digest

DiffJson = Callable[..., dict[str, Any]]
Told = Callable[..., Any]
KUBERNETES = {"urn": "urn:pulumi:dev::irsa::pulumi:providers:kubernetes::k", "type": "pulumi:providers:kubernetes"}


@pytest.fixture
def diff_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> DiffJson:
    """Return a function from a preview's steps to what is printed.

    Given the issuers of EKS clusters by ARN, managed policies by ARN, or a state, it reads them, as for a gate; without
    any of these, the file alone. The service accounts, `namespace:name`, are those of the cluster of ISSUER.
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
    there: list[Any] = []
    service_accounts: list[ServiceAccount] = []
    cluster = SimpleNamespace(issuer=f"https://{ISSUER}", service_accounts=lambda _: service_accounts)
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: there)
    monkeypatch.setattr("irsa_world.live.kubernetes.ClusterClients.of", lambda *_: cluster)

    def run(
        *steps: Any,
        eks: Mapping[str, str] | None = None,
        managed: Mapping[str, Any] | None = None,
        gate: str = "",
        state: Sequence[Any] | None = None,
        live: Iterable[str] = (),
        **preview: Any,
    ) -> dict[str, Any]:
        for known, answers in ((clusters, eks), (policies, managed)):
            known.clear()
            known.update(answers or {})
        there[:] = [parse_resource(each, "state") for each in (*(state or ()), *([KUBERNETES] if live else []))]
        names = [each.partition(":") for each in live]
        service_accounts[:] = [ServiceAccount("test", namespace, name) for namespace, _, name in names]
        file = tmp_path / "preview.json"
        file.write_text(digest(steps, **preview))
        stack = [] if all(each is None for each in (eks, managed, state)) and not gate else ["--stack", "dev"]
        code = main(["diff", "--preview", str(file), *stack, "--json", *(["--fail-on", gate] if gate else [])])
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (code, printed["good"]) in ((0, True), (1, False), (3, False))
        assert gate or printed["good"]
        return printed

    return run


@pytest.fixture
def told(diff_json: DiffJson) -> Told:
    """Return the same with attributes in place of keys; it reads the state."""

    def attributes(value: Any) -> Any:
        if isinstance(value, dict):
            return SimpleNamespace(**{snake(key): attributes(each) for key, each in value.items()})
        return tuple(map(attributes, value)) if isinstance(value, list) else value

    def run(*steps: Any, **more: Any) -> Any:
        found = diff_json(*steps, **{"state": (), **more})
        return attributes({key: each for key, each in found.items() if key not in {"bindings", "clusters"}})

    return run
