import json
from pathlib import Path
from typing import Any

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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: irsa\nruntime: python\nconfig:\n  aws:profile: {value: other}\n  aws:maxRetries: {value: 3}\n"
    )
    (tmp_path / "Pulumi.prod.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: LiveReport, *arguments: str
) -> tuple[int, str, list[Any]]:
    """Return the exit code, what was printed, and with what was looked."""
    asked: list[Any] = []

    def looking(*given: Any) -> LiveReport:
        asked.extend(given)
        return found

    monkeypatch.setattr(look, "look", looking)
    code = main(["check", "--live", "Pulumi.prod.yaml", *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err, asked


@pytest.mark.parametrize(
    ("found", "beginning"),
    [
        (LiveReport([], [], [], True), (0, "Pulumi.prod.yaml: good, 1 binding")),
        (LiveReport([], [LOSS], ["x"], True), (0, "Pulumi.prod.yaml: good, 1 warning, 1 binding")),
        (LiveReport([TAKEN], [], ["x"], True), (1, "Pulumi.prod.yaml: 1 error, 1 binding")),
        (LiveReport([], [], ["x"], False), (2, "Pulumi.prod.yaml: AWS or Kubernetes not checked, 1 binding")),
    ],
)
def test_exit_codes(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: LiveReport,
    beginning: tuple[int, str],
) -> None:
    code, text, _ = check(monkeypatch, capsys, found)

    assert (code, text.splitlines()[0]) == beginning
    assert ("not checked: x" in text.splitlines()) == bool(found.not_checked)


def test_findings_have_their_lines_and_rules(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = LiveReport([TAKEN], [LOSS], [], True)
    _, text, _ = check(monkeypatch, capsys, found)
    assert text.splitlines()[2] == "Pulumi.prod.yaml:9  irsa:bindings.my-app.role.name  [role-exists]"
    assert "Pulumi.prod.yaml:6  irsa:bindings  warning [pods-lose-role]" in text.splitlines()
    _, text, _ = check(monkeypatch, capsys, found, "--json")
    (report,) = json.loads(text)["files"]
    assert (report["errors"][0]["rule"], report["errors"][0]["line"], report["good"]) == ("role-exists", 9, False)


def test_what_it_looks_with(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, (stack, name, folder, providers, region) = check(monkeypatch, capsys, LiveReport([], [], [], True))

    assert (list(stack.bindings), name, folder, region) == (["my-app"], "prod", Path(), "us-west-2")
    assert providers == {
        "aws:profile": "deployer",
        "aws:region": "us-west-2",
        "aws:maxRetries": 3,
        "kubernetes:context": "prod",
    }


@pytest.mark.parametrize("broken", ["role: {nam: my-role}", "role: {name: {secure: v1:x}}"])
def test_a_file_with_mistakes_or_secrets_is_not_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (project / "Pulumi.prod.yaml").write_text(FILE.replace("role: {name: my-role}", broken))
    code, text, asked = check(monkeypatch, capsys, LiveReport([], [], [], True))

    assert asked == []
    assert code == (1 if "nam:" in broken else 2)
    assert "not checked: AWS and Kubernetes: " in text


def test_a_file_of_another_name_is_of_no_stack(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "settings.yaml").write_text(FILE)
    monkeypatch.setattr(look, "look", lambda *_: pytest.fail("nothing may be asked"))

    assert main(["check", "--live", "settings.yaml"]) == 2
    assert "a stack file is named Pulumi.STACK.yaml" in capsys.readouterr().out
