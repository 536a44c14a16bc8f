import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from irsa.rules.mistakes import Mistake
from irsa_cli.main import main
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live import look
from irsa_program.live.look import LiveReport

FILE = """config:
  aws:profile: deployer
  aws:region: us-west-2
  kubernetes:context: prod
  irsa:cluster: {name: my-cluster}
  irsa:bindings:
    my-app:
      serviceAccount: {name: my-app}
      role: {name: my-role}
      policyArns: ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]
"""
TAKEN = LocatedMistake(("bindings", "my-app", "role", "name"), Mistake("taken", "free", "other"), rule="role-exists")
LOSS = LocatedMistake(("bindings",), Mistake("deleted", "kept", "keep"), rule="pods-lose-role")
GOOD = LiveReport([], [], [], True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: irsa\nruntime: python\nconfig:\n  aws:profile: {value: other}\n  aws:maxRetries: {value: 3}\n"
    )
    (tmp_path / "Pulumi.prod.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Check = Callable[..., tuple[int, str, list[Any]]]


@pytest.fixture
def check(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return what gives the exit code, what was printed, and with what was looked, where this is found."""

    def checked(found: LiveReport, *arguments: str, file: str = "Pulumi.prod.yaml") -> tuple[int, str, list[Any]]:
        looking = Mock(return_value=found)
        monkeypatch.setattr(look, "look", looking)
        code = main(["check", "--live", file, *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err, [each for call in looking.call_args_list for each in call.args]

    return checked


@pytest.mark.parametrize(
    ("found", "beginning"),
    [
        (GOOD, (0, "Pulumi.prod.yaml: good, 1 binding")),
        (LiveReport([], [LOSS], ["x"], True), (0, "Pulumi.prod.yaml: good, 1 warning, 1 binding")),
        (LiveReport([TAKEN], [], ["x"], True), (1, "Pulumi.prod.yaml: 1 error, 1 binding")),
        (LiveReport([], [], ["x"], False), (3, "Pulumi.prod.yaml: AWS or Kubernetes not checked, 1 binding")),
    ],
)
def test_exit_codes(check: Check, found: LiveReport, beginning: tuple[int, str]) -> None:
    code, text, _ = check(found)

    assert (code, text.splitlines()[0]) == beginning
    assert ("not checked: x" in text.splitlines()) == bool(found.not_checked)


def test_findings_have_their_lines_and_rules(check: Check) -> None:
    found = LiveReport([TAKEN], [LOSS], [], True)
    _, text, _ = check(found)
    assert text.splitlines()[2] == "Pulumi.prod.yaml:9  irsa:bindings.my-app.role.name  [role-exists]"
    assert "Pulumi.prod.yaml:6  irsa:bindings  warning [pods-lose-role]" in text.splitlines()
    _, text, _ = check(found, "--json")
    (report,) = json.loads(text)["files"]
    assert (report["errors"][0]["rule"], report["errors"][0]["line"], report["good"]) == ("role-exists", 9, False)


def test_what_it_looks_with(check: Check) -> None:
    _, _, (stack, name, folder, providers, region) = check(GOOD)

    assert (list(stack.bindings), name, folder, region) == (["my-app"], "prod", Path(), "us-west-2")
    assert providers == {
        "aws:profile": "deployer",
        "aws:region": "us-west-2",
        "aws:maxRetries": 3,
        "kubernetes:context": "prod",
    }


@pytest.mark.parametrize("broken", ["role: {nam: my-role}", "role: {name: {secure: v1:x}}"])
def test_a_file_with_mistakes_or_secrets_is_not_looked_at(check: Check, project: Path, broken: str) -> None:
    (project / "Pulumi.prod.yaml").write_text(FILE.replace("role: {name: my-role}", broken))
    code, text, asked = check(GOOD)

    assert asked == []
    assert code == (1 if "nam:" in broken else 3)
    assert "not checked: AWS and Kubernetes: " in text


def test_a_file_of_another_name_is_of_no_stack(check: Check, project: Path) -> None:
    (project / "settings.yaml").write_text(FILE)
    code, text, asked = check(GOOD, file="settings.yaml")

    assert (code, asked) == (3, [])
    assert "a stack file is named Pulumi.STACK.yaml" in text
