"""The subcommand: what it reads, what it writes, and how it ends."""

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from irsa_cli.adopt import subcommand, work
from irsa_cli.discovery import Discovery
from irsa_world.exits import COULD_NOT_LOOK, GOOD, CouldNotLookError
from irsa_world.model import EksCluster, ManagedPolicy, PolicySettings
from tests.unit.irsa_cli.adopt.scene import (
    AWS_ACCOUNT,
    found,
    host_path,
    permission,
    role,
    role_arn,
    service_account,
    statement,
)
from tests.world import document as policy_document

POLICY = f"arn:aws:iam::{AWS_ACCOUNT}:policy/read"
EVERYTHING = found(
    [service_account("app", role_arn("app"))],
    [role("app", statement("team-a:app"), attached_policies=(POLICY,))],
    policies=[ManagedPolicy(POLICY, policy_document(permission()), 1)],
)


def live(number: str = AWS_ACCOUNT) -> Any:
    settings = PolicySettings("Reads", {"team": "a"})
    session = SimpleNamespace(region_name="us-west-2")
    return SimpleNamespace(number=number, session=session, policy_settings=lambda _: settings)


@pytest.fixture
def discovered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set what the discovery finds."""

    def discovered(discovery: Discovery, number: str = AWS_ACCOUNT) -> None:
        monkeypatch.setattr(work, "discover", lambda *_, **__: discovery)
        monkeypatch.setattr(work, "_current_account", lambda *_: live(number))
        monkeypatch.setattr(work, "in_stacks", lambda _: ({}, []))

    discovered(EVERYTHING)
    return discovered


def run(folder: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    subcommand.add(parser)
    options = parser.parse_args(["--output", str(folder / "Pulumi.prod.yaml"), *words])
    code: int = options.run(options)
    return code


def test_a_dry_run_prints_nothing_that_drives_a_terminal(
    discovered: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects terminals and CI from a policy document: what is escaped is the same text in YAML.

    IAM accepts U+0020 to U+00FF: https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """
    hostile = "\\\x9b2J\r\n::error::##[error]\x85\xa0\xad\x7f"
    document = policy_document({**permission(), "Condition": {"StringEquals": {"aws:PrincipalTag/x": hostile}}})
    discovered(found([], [role("app", statement("team-a:app"), inline_policies={"x": document})]))
    monkeypatch.chdir(tmp_path)
    run(tmp_path, "--all", "--output", "-")
    printed = capsys.readouterr().out

    (policy,) = yaml.safe_load(printed)["config"]["irsa:bindings"]["app"]["inlinePolicies"].values()
    assert policy["document"] == document
    assert printed.replace("\n", "").isprintable()
    assert "##[" not in printed
    assert not [line for line in printed.splitlines() if line.lstrip().startswith("::")]


def test_a_file_with_another_cluster_is_added_to_by_its_issuer(discovered: Any, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(f"config:\n  irsa:clusters:\n    mine: {{oidcIssuer: 'https://{host_path()}'}}\n")

    assert run(tmp_path, "--all") == GOOD
    settings = yaml.safe_load(file.read_text())["config"]
    assert list(settings["irsa:clusters"]) == ["mine"]
    assert settings["irsa:bindings"]["team-a-app"]["clusters"] == ["mine"]


def test_a_cluster_by_its_name_is_looked_up(discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = {"oidc": {"issuer": f"https://{host_path()}"}}
    prod = EksCluster.of({"endpoint": "https://x", "certificateAuthority": {"data": "x"}, "identity": issuer})
    monkeypatch.setattr("irsa_world.live.aws.EksClient", lambda *_: SimpleNamespace(cluster={"prod": prod}.get))
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("config:\n  irsa:cluster: {name: prod}\n")

    assert run(tmp_path, "--all") == GOOD
    file.write_text("config:\n  irsa:cluster: {name: other}\n")
    with pytest.raises(CouldNotLookError, match="EKS cluster other: there is no such EKS cluster in us-west-2"):
        run(tmp_path, "--all")


STACK_FILE = f"config:\n  irsa:cluster: {{oidcIssuer: 'https://{host_path()}'}}\n"


@pytest.mark.parametrize("stack", ["prod", "my-org/prod"])
def test_what_is_in_the_state_of_the_stack_is_not_taken_again(
    stack: str, discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pulumi stack ls` leaves out the project of the folder, and the user's default organization:
    https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming.
    """
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK_FILE)
    states = {tmp_path: ({role_arn("app"): stack}, [])}
    monkeypatch.setattr(work, "in_stacks", states.get)

    assert run(tmp_path, "--role", "app") == GOOD
    bindings = yaml.safe_load((tmp_path / "Pulumi.prod.yaml").read_text())["config"]["irsa:bindings"]
    assert [each["role"] for each in bindings.values()] == [{"arn": role_arn("app")}]


def test_states_that_cannot_be_read_are_said_first(
    discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "whether a Pulumi stack owns what is chosen: pulumi is not on PATH"
    monkeypatch.setattr(work, "in_stacks", lambda _: ({}, [why]))

    assert run(tmp_path, "--all") == COULD_NOT_LOOK
    assert capsys.readouterr().out.splitlines()[:2] == ["not checked", f"  {why}"]
    assert (tmp_path / "Pulumi.prod.yaml").exists()


def test_a_cluster_of_a_stack_without_an_issuer_is_refused(
    discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  irsa:cluster: {stack: team/eks/prod}\n")
    for outputs in ({}, {"oidcIssuer": None}, {"oidcIssuer": ["x"]}):
        monkeypatch.setattr(work, "stack_outputs", lambda *_, outputs=outputs: outputs)
        with pytest.raises(CouldNotLookError, match="team/eks/prod has no output oidcIssuer that is a string"):
            run(tmp_path, "--all")


@pytest.mark.parametrize(("words", "expected"), [((), False), (("--policies",), True)])
def test_policies_are_read_when_they_are_taken(
    words: tuple[str, ...], expected: bool, discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {expected: EVERYTHING}
    monkeypatch.setattr(work, "discover", lambda *_, policies: answers[policies])

    assert run(tmp_path, "--all", *words) == GOOD


@pytest.mark.parametrize(
    "words", [("--tag", "team"), ("--tag", "=x"), ("--service-account", "app"), ("--all", "--take-from", "eksctll")]
)
def test_a_misspelled_option_is_refused(words: tuple[str, ...], discovered: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(tmp_path, *words)


def test_credentials_of_another_aws_account_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irsa_world.live.aws.AwsAccountClients.only", lambda _: live("999999999999"))

    with pytest.raises(CouldNotLookError, match="999999999999"):
        work._current_account(EVERYTHING, {})
