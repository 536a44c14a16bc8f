"""What `irsa explain` says of a file, and of an argument that is wrong: what decides comes first."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa.evaluation import WebIdentityRequest
from irsa.rules.commands import AwsPlace
from irsa_cli.explain.output import Explanation, explained, section_of
from irsa_cli.main import main
from irsa_world.report.text import plain
from irsa_world.verdict import of_provider
from tests.world import PODS, document, of_tokens

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOST_PATH = ISSUER.removeprefix("https://")
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
ROLE, CLUSTER = "arn:aws:iam::111122223333:role/my-role", "arn:aws:eks:us-west-2:111122223333:cluster/blue"
AUD, SUB = f"{HOST_PATH}:aud", f"{HOST_PATH}:sub"
SUBJECT = "system:serviceaccount:team-a:app"
REQUEST = WebIdentityRequest(PROVIDER, SUBJECT, "sts.amazonaws.com")
MAY_NOT = f"team-a/app may not assume {ROLE}:"


def statement(condition: Any = None, effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return of_tokens(PROVIDER, condition or {}, Effect=effect, **elements)


def answer(*statements: Any) -> Explanation:
    return explained(ROLE, document(*statements), REQUEST)


def printed(explanation: Explanation) -> str:
    return "\n".join(plain([section_of(explanation)]))


def test_the_statement_that_decides_is_first_and_in_it_what_decides() -> None:
    others = {"StringNotEquals": {SUB: "system:serviceaccount:team-a:other"}}
    page = printed(answer(statement(Sid="All"), statement(others, "Deny", Sid="Rest", Principal="*")))
    why = f"denied: {MAY_NOT} statement 2 (Rest) denies it, and an explicit Deny wins over every Allow"

    assert page.startswith(f"{why}\n\nstatement 2 (Rest): Deny, applies\n    yes: Principal: ")
    assert "\n\nstatement 1 (All): Allow, applies\n" in page
    wrong = {"StringEquals": {AUD: ["vault", "consul"], SUB: SUBJECT}}
    first, _, _, decides, *_ = printed(answer(statement(wrong))).splitlines()
    what = "aud is sts.amazonaws.com; it must be exactly one of vault, consul"
    assert first == f"denied: {MAY_NOT} no statement allows it; in statement 1, {what}"
    assert decides == f"    no:  StringEquals: {what}."


def test_several_elements_that_do_not_match_are_named_in_the_first_line() -> None:
    first = printed(answer(statement({"StringEquals": {AUD: "vault", SUB: "x"}}))).splitlines()[0]

    assert first == f"denied: {MAY_NOT} no statement allows it; in statement 1, aud, sub do not match"


def test_a_missing_provider_is_what_decides() -> None:
    without = of_provider(AwsPlace(), None, PROVIDER, ["sts.amazonaws.com"])
    page = printed(explained(ROLE, document(statement({"StringEquals": {SUB: SUBJECT}}, Sid="Pods")), REQUEST, without))

    why = f"denied: {MAY_NOT} AWS account 111122223333 has no IAM OIDC provider for https://{HOST_PATH}"
    assert page.startswith(f"{why}\n\nstatement 1 (Pods): Allow, applies\n")


# --- the subcommand, of a file ----------------------------------------------------------------------------------------

TRUST, BY_ISSUER = ["--trust", "trust.json"], ["--issuer", ISSUER]
OF_CLUSTER = {**PODS, "Condition": {"StringEquals": {"aws:SourceArn": CLUSTER}}}
TEXT = json.dumps(document(statement(), OF_CLUSTER))


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "trust.json"
    found.write_text(TEXT)
    return found


def test_the_example_of_the_documentation(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[4] / "docs" / "commands" / "explain.md").read_text(encoding="utf-8")
    shown = text.partition("```console\n$ irsa explain ")[2].partition("```")[0].partition("\n")[2]
    claims = {AUD: "sts.amazonaws.com", SUB: "system:serviceaccount:team-a:*"}
    file.write_text(json.dumps(document(statement({"StringEquals": claims}, Sid="Pods"))))

    assert main(["explain", "team-a/app", ROLE, *TRUST, *BY_ISSUER]) == 1
    assert "it must be exactly system:serviceaccount:team-a:*" in shown
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["app", ROLE], "write NAMESPACE/SERVICEACCOUNT"),
        (["team-a/*", ROLE], "is not a service account"),
        (["team-a:app:x", ROLE], "is not namespace:name"),
        (["system:serviceaccount:team-a:app", ROLE], "write 'team-a:app'"),
        (["a/b", ROLE, "--trust", "/nowhere.json", *BY_ISSUER], "cannot read /nowhere.json: No such file"),
        (["a/b", ROLE, *TRUST], "--trust needs --issuer, the OIDC issuer of the cluster"),
        (["a/b", "my-role", *TRUST, *BY_ISSUER], "'my-role': not an ARN"),
        (["a/b", ROLE, *TRUST, "--issuer", "oidc.example.com"], "is not an OIDC issuer"),
        (["a/b", *TRUST, *BY_ISSUER], "--trust needs ROLE"),
        (["a/b", ROLE, *TRUST, *BY_ISSUER, "--stack", "dev"], "use one of them"),
    ],
)
def test_a_mistaken_question_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *words]) == (3 if "cannot read" in said else 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("irsa explain: ")
    assert said in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff{}", "trust.json is not UTF-8 text"),
        (b"[" * 100_000, "nested more than 100 deep"),
        (b"{", "not JSON"),
        (
            b'{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}',
            "not a trust policy: Statement[0]",
        ),
        # Windows PowerShell writes this.
        (TEXT.encode("utf-16"), ""),
    ],
)
def test_a_file_is_read_as_shells_write_it(
    file: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    file.write_bytes(content)

    assert main(["explain", "a/b", ROLE, *TRUST, *BY_ISSUER]) == (3 if said else 0)
    assert said in capsys.readouterr().err


def test_an_empty_role_is_no_missing_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", "a/b", ""])
    assert "the value is empty" in capsys.readouterr().err
