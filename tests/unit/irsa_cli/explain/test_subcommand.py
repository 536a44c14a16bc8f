"""What `irsa explain` says of a file, and of an argument that is wrong."""

import json
from pathlib import Path

import pytest

from irsa_cli.main import main
from tests.world import PODS, document, of_tokens

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOST_PATH = ISSUER.removeprefix("https://")
ROLE, CLUSTER = "arn:aws:iam::111122223333:role/my-role", "arn:aws:eks:us-west-2:111122223333:cluster/blue"
TRUST, BY_ISSUER = ["--trust", "trust.json"], ["--issuer", ISSUER]
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
OF_CLUSTER = {**PODS, "Condition": {"StringEquals": {"aws:SourceArn": CLUSTER}}}
TEXT = json.dumps(document(of_tokens(PROVIDER, {}), OF_CLUSTER))


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "trust.json"
    found.write_text(TEXT)
    return found


def test_the_example_of_the_documentation(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[4] / "docs" / "explain.md").read_text(encoding="utf-8")
    shown = text.partition("```console\n$ irsa explain ")[2].partition("```")[0].partition("\n")[2]
    claims = {f"{HOST_PATH}:aud": "sts.amazonaws.com", f"{HOST_PATH}:sub": "system:serviceaccount:team-a:*"}
    file.write_text(json.dumps(document(of_tokens(PROVIDER, {"StringEquals": claims}, Sid="Pods"))))

    assert main(["explain", "team-a/app", ROLE, *TRUST, *BY_ISSUER]) == 1
    assert "sub does not match" in shown
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["app", ROLE], "write NAMESPACE/SERVICEACCOUNT"),
        (["team-a/*", ROLE], "is not a service account"),
        (["team-a:app:x", ROLE], "is not namespace:name"),
        (["system:serviceaccount:team-a:app", ROLE], "write 'team-a:app'"),
        (["a/b", ROLE, "--trust", "/nowhere.json", *BY_ISSUER], "cannot read /nowhere.json: No such file"),
        (["a/b", ROLE, *TRUST], "--trust needs --issuer, the OIDC issuer of the cluster, for a token; or"),
        (["a/b", ROLE, *TRUST, *BY_ISSUER, "--cluster-arn", CLUSTER], "--trust needs --issuer, the OIDC"),
        (["a/b", ROLE, "--cluster-arn", CLUSTER], "--cluster-arn needs --trust"),
        (["a/b", ROLE, *TRUST, "--cluster-arn", "blue"], "an ARN such as arn:aws:eks:"),
        (["a/b", ROLE, *TRUST, "--cluster-arn", ROLE], "an ARN such as arn:aws:eks:"),
        (["a/b", "my-role", *TRUST, *BY_ISSUER], "'my-role': not an ARN"),
        (["a/b", ROLE, *TRUST, "--issuer", "oidc.example.com"], "begin with https://"),
        (["a/b", *TRUST, *BY_ISSUER], "--trust needs ROLE"),
        (["a/b", ROLE, *TRUST, *BY_ISSUER, "--stack", "dev"], "use one of them"),
    ],
)
def test_a_mistaken_question_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("irsa explain: ")
    assert said in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff{}", "trust.json is not UTF-8 text"),
        (b"\xff\xfe{", "trust.json is not UTF-8 text"),
        (b"[" * 100_000, "nested more than 100 deep"),
        (b"{", "not JSON"),
        (
            b'{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}',
            "not a trust policy: Statement[0]",
        ),
        # Windows PowerShell writes these.
        (TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), ""),
    ],
)
def test_a_file_is_read_as_shells_write_it(
    file: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    file.write_bytes(content)

    assert main(["explain", "a/b", ROLE, *TRUST, *BY_ISSUER]) == (2 if said else 0)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("cluster_arn", "code"), [(CLUSTER, 0), (CLUSTER.replace("blue", "green"), 1)])
def test_a_file_may_be_asked_for_an_association(
    capsys: pytest.CaptureFixture[str], cluster_arn: str, code: int
) -> None:
    assert main(["explain", "web/app", ROLE, *TRUST, "--cluster-arn", cluster_arn]) == code
    assert f"cluster   {cluster_arn}" in capsys.readouterr().out


def test_an_empty_role_is_no_missing_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", "a/b", ""])
    assert "the value is empty" in capsys.readouterr().err
