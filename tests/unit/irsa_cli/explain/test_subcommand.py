"""`irsa explain` of a file, without AWS and without a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa.ways import TrustParts, trust_document
from irsa_cli.main import main

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOST_PATH = ISSUER.removeprefix("https://")
ROLE = "arn:aws:iam::111122223333:role/my-role"


def explain(tmp_path: Path, condition: Any, *more: str, service_account: str = "team-a/app") -> int:
    statement = {
        "Sid": "Pods",
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    }
    file = tmp_path / "trust.json"
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return main(["explain", service_account, ROLE, "--trust", str(file), "--issuer", ISSUER, *more])


def test_the_example_of_the_documentation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[4] / "docs" / "explain.md").read_text(encoding="utf-8")
    shown = text.partition("```console\n$ irsa explain ")[2].partition("```")[0].partition("\n")[2]
    claims = {f"{HOST_PATH}:aud": "sts.amazonaws.com", f"{HOST_PATH}:sub": "system:serviceaccount:team-a:*"}
    explain(tmp_path, {"StringEquals": claims})

    assert "sub does not match" in shown
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["app", ROLE], "write NAMESPACE/SERVICEACCOUNT"),
        (["team-a/*", ROLE], "is not a service account"),
        (["team-a:app:x", ROLE], "is not namespace:name"),
        (["system:serviceaccount:team-a:app", ROLE], "write 'team-a:app'"),
        (
            ["team-a/app", ROLE, "--trust", "/nowhere.json", "--issuer", ISSUER],
            "cannot read /nowhere.json: No such file",
        ),
        (["team-a/app", ROLE, "--trust", "/nowhere.json"], "--trust needs --issuer"),
        (["team-a/app", "my-role", "--trust", "/nowhere.json", "--issuer", ISSUER], "'my-role': not an ARN"),
        (["team-a/app", ROLE, "--trust", "/nowhere.json", "--issuer", "oidc.example.com"], "begin with https://"),
    ],
)
def test_a_mistaken_question_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("irsa explain: ")
    assert said.count("\n") == 1


def test_no_trust_policy_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}')

    assert main(["explain", "a/b", ROLE, "--trust", str(file), "--issuer", ISSUER]) == 2
    assert "not a trust policy: Statement[0]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff{}", "trust.json is not UTF-8 text"),
        (b"\xff\xfe{", "trust.json is not UTF-8 text"),
        (b"[" * 100_000, "nested more than 100 deep"),
        (b"{", "not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    file = tmp_path / "trust.json"
    file.write_bytes(content)

    assert main(["explain", "a/b", ROLE, "--trust", str(file), "--issuer", ISSUER]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_windows_powershell(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "trust.json"
    document = trust_document(TrustParts([f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"], ["a:b"]))
    file.write_text(document, encoding=encoding)

    assert main(["explain", "a/b", ROLE, "--trust", str(file), "--issuer", ISSUER]) == 0


def test_what_a_policy_holds_cannot_pass_for_our_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explain(tmp_path, {"StringEquals": {f"{HOST_PATH}:sub": "\nstatement 2: Allow, applies\x1b[32m"}})
    output = capsys.readouterr().out

    assert '"\\nstatement 2: Allow, applies\\u001b[32m"' in output
    assert "\nstatement 2" not in output
