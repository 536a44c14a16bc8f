"""The subcommand: what it reads, what it writes and prints, and how it ends."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from irsa.rules.commands import AwsPlace
from irsa_cli.adopt import adoption, subcommand
from irsa_cli.adopt.adoption import section_of
from irsa_cli.discovery import Discovery
from irsa_world.exits import COULD_NOT_LOOK, GOOD, CouldNotLookError
from irsa_world.model import EksCluster, ManagedPolicy, PolicySettings
from irsa_world.report.text import plain
from tests.unit.irsa_cli.adopt.scene import (
    AWS_ACCOUNT,
    ELSEWHERE,
    adopted,
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
    return SimpleNamespace(number=number, place=AwsPlace(), session=session, policy_settings=lambda _: settings)


@pytest.fixture
def discovered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set what the discovery finds."""

    def discovered(discovery: Discovery, number: str = AWS_ACCOUNT) -> None:
        monkeypatch.setattr(adoption, "discover", lambda *_, **__: discovery)
        monkeypatch.setattr(adoption, "_current_account", lambda *_: live(number))
        monkeypatch.setattr(adoption, "in_stacks", lambda _: ({}, []))

    discovered(EVERYTHING)
    return discovered


def run(folder: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    subcommand.add(parser)
    options = parser.parse_args(["--output", str(folder / "Pulumi.prod.yaml"), *words])
    code: int = import_module(options.run).run(options)
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


def test_defaults_of_the_project_are_those_of_a_file_without_any(discovered: Any, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: irsa\nruntime: python\nconfig: {irsa:defaults: {value: {path: /team/}}}\n"
    )
    file = tmp_path / "Pulumi.prod.yaml"

    assert run(tmp_path, "--all") == GOOD
    (binding,) = yaml.safe_load(file.read_text())["config"]["irsa:bindings"].values()
    assert binding["role"] == {"name": "app", "path": "/"}


STACK_FILE = f"config:\n  irsa:cluster: {{oidcIssuer: 'https://{host_path()}'}}\n"


@pytest.mark.parametrize("stack", ["prod", "my-org/prod"])
def test_what_is_in_the_state_of_the_stack_is_not_taken_again(
    stack: str, discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pulumi stack ls` leaves out the project of the folder, and the user's default organization:
    https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming.
    """
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK_FILE)
    states: dict[Path, Any] = {tmp_path: ({role_arn("app"): stack}, [])}
    monkeypatch.setattr(adoption, "in_stacks", states.get)

    assert run(tmp_path, "--role", "app") == GOOD
    bindings = yaml.safe_load((tmp_path / "Pulumi.prod.yaml").read_text())["config"]["irsa:bindings"]
    assert [each["role"] for each in bindings.values()] == [{"arn": role_arn("app")}]


def test_states_that_cannot_be_read_are_said_first(
    discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "whether a Pulumi stack owns what is chosen: pulumi is not on PATH"
    monkeypatch.setattr(adoption, "in_stacks", lambda _: ({}, [why]))

    assert run(tmp_path, "--all") == COULD_NOT_LOOK
    assert capsys.readouterr().out.splitlines()[1:3] == ["", f"not checked: {why}"]
    assert (tmp_path / "Pulumi.prod.yaml").exists()


def test_a_cluster_of_a_stack_without_an_issuer_is_refused(
    discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  irsa:cluster: {stack: team/eks/prod}\n")
    for outputs in ({}, {"oidcIssuer": None}, {"oidcIssuer": ["x"]}):
        monkeypatch.setattr(adoption, "stack_outputs", lambda *_, outputs=outputs: outputs)
        with pytest.raises(CouldNotLookError, match="team/eks/prod has no output oidcIssuer that is a string"):
            run(tmp_path, "--all")


@pytest.mark.parametrize(("words", "expected"), [((), False), (("--policies",), True)])
def test_policies_are_read_when_they_are_taken(
    words: tuple[str, ...], expected: bool, discovered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {expected: EVERYTHING}
    monkeypatch.setattr(adoption, "discover", lambda *_, policies: answers[bool(policies)])

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
        adoption._current_account(EVERYTHING, {})


# --- What it prints ---------------------------------------------------------------------------------------------------


def printed(
    *service_accounts: object, roles: tuple[object, ...] = (), stack: str = "prod", **ways: object
) -> list[str]:
    adoption = adopted(found(service_accounts, roles), **ways)  # type: ignore[arg-type]
    return plain([section_of(adoption, Path(f"Pulumi.{stack}.yaml"), stack, ["a list: denied"], dry_run=False)])


def test_the_next_commands_are_in_the_order_that_keeps_permissions() -> None:
    tags = {"alpha.eksctl.io/cluster-name": "c", "aws:cloudformation:stack-name": "$(reboot)"}
    unknown = role("other", statement("team-a:other"), tags={"alpha.eksctl.io/cluster-name": "c"})
    labelled = service_account("app", role_arn("app"), metadata={"labels": {"app.kubernetes.io/managed-by": "eksctl"}})
    roles = (role("app", statement("team-a:app"), tags=tags), unknown)
    said = printed(labelled, roles=roles, take_from=["eksctl"])
    steps = [text.strip().partition(". ")[2] for text in said[said.index("next, in this order") + 1 :]]

    order = [
        "irsa check Pulumi.prod.yaml",
        "eksctl: before `pulumi up`, ",
        "irsa diff --stack prod",
        "pulumi up --stack prod",
        "irsa adopt --finish Pulumi.prod.yaml",
        "irsa verify --stack prod",
        "irsa prove --stack prod",
        "remove what is adopted from eksctl, as said above",
    ]
    places = [next(index for index, step in enumerate(steps) if step.startswith(start)) for start in order]
    assert places == sorted(places)


def test_everything_that_a_tool_must_keep_is_listed() -> None:
    tags = {"alpha.eksctl.io/cluster-name": "c"}
    stacks = [f"eksctl-c-addon-iamserviceaccount-team-a-app-{number}" for number in range(30)]
    hostile = ["$(reboot)", "it's `reboot`", "; reboot", "$HOME", "::error::x"]
    of_stacks = (
        role(f"r{number}", statement(f"team-a:app-{number}"), tags={**tags, "aws:cloudformation:stack-name": stack})
        for number, stack in enumerate([*stacks, *hostile])
    )
    unknown = role("other", statement("team-a:app"), tags=tags)
    labelled = service_account(
        "app", role_arn("other"), metadata={"labels": {"app.kubernetes.io/managed-by": "eksctl"}}
    )
    said = printed(labelled, roles=(*of_stacks, unknown), take_from=["eksctl"])
    (place,) = (index for index, line in enumerate(said) if "eksctl: before `pulumi up`, " in line)
    end = place + 1 + len(stacks) + len(hostile)
    names = [line.removeprefix("       ") for line in said[place + 1 : end]]

    assert sorted(shlex.split(" ".join(names))) == sorted([*stacks, *hostile])
    # Nothing acts in single quotes: https://www.gnu.org/software/bash/manual/html_node/Single-Quotes.html
    assert not re.search(r"[$`;]|(^| ):", re.sub(r"""'[^']*'|"'\"""", "''", " ".join(names)))
    owned = [f"role {role_arn('other')}", "service account team-a/app in blue"]
    assert said[end : end + len(owned)] == [f"       {each}" for each in owned]
    assert said[end + len(owned)].strip().endswith("(imports, and no change but those named above)")


def test_the_stack_is_created_first() -> None:
    said = printed(service_account("app", ELSEWHERE), stack="it's $(reboot)")
    command = said[said.index("next, in this order") + 1].removeprefix("  1. ").partition("   (")[0]

    assert shlex.split(command) == ["pulumi", "stack", "init", "it's $(reboot)"]


def test_nothing_to_add_has_no_next_steps() -> None:
    said = printed(service_account("gone", role_arn("gone")))

    assert said[0] == "Pulumi.prod.yaml: unchanged, there is nothing to add"
    assert "next, in this order" not in said


def test_a_step_whose_command_cannot_be_given_is_none() -> None:
    adoption = adopted(found([service_account("app", role_arn("app"))], [role("app", statement("team-a:app"))]))
    report = plain([section_of(adoption, Path("a\nb/Pulumi.-x.yaml"), "-x", [], dry_run=False)])

    assert not [text for text in report if re.match(r" *\d+\.\W*(\(|$)", text) or "``" in text]
    assert "  1. irsa diff --stack=-x   (imports, and no change but those named above)" in report
