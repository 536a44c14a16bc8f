"""Pulumi.yaml names the folder of the stack files: https://www.pulumi.com/docs/iac/concepts/projects/project-file/."""

import json
from pathlib import Path

import pytest

from irsa_cli.main import main

STACK = """config:
  irsa:bindings:
    my-app: {serviceAccount: {name: my-app}, policy: {file: policies/p.json}}
"""
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a policy and a stack in the folder `stacks`; it is the working directory."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": STATEMENT}))
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.prod.yaml").write_text(f"{STACK}  irsa:cluster: {{name: my-cluster}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "file"), [("", "stacks/Pulumi.prod.yaml"), ("stacks", "Pulumi.prod.yaml"), ("policies", "")]
)
def test_what_is_relative_is_relative_to_the_project(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: str, file: str
) -> None:
    (project / "Pulumi.yaml").write_text(
        "name: irsa\nruntime: python\nstackConfigDir: stacks\nconfig: {irsa:cluster: {default: {name: cc}}}\n"
    )
    (project / "stacks" / "Pulumi.prod.yaml").write_text(STACK)
    monkeypatch.chdir(project / folder)

    assert main(["check", *filter(None, [file])]) == 0, capsys.readouterr().out
    (project / "policies" / "p.json").write_text("{}")
    capsys.readouterr()
    assert main(["check", *filter(None, [file])]) == 1
    assert "policies/p.json:1  " in capsys.readouterr().out
