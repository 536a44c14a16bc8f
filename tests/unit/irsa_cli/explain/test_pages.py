"""What `irsa explain` says of a file, and of an argument that is wrong; its pages, against ones written by hand.

What decides comes first. Whatever a trust policy holds, nothing of a reason is lost.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irsa.evaluation import WebIdentityRequest
from irsa.rules.commands import AwsPlace
from irsa.rules.mistakes import named
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
REQUEST = WebIdentityRequest(ISSUER, PROVIDER, SUBJECT, "sts.amazonaws.com")
FACTS = f"""

request
    sub:    {SUBJECT}
    aud:    sts.amazonaws.com
    issuer: {ISSUER}"""


MAY_NOT = f"team-a/app may not assume {ROLE}:"
ELSEWHERE = PROVIDER.replace("111122223333", "444455556666")


def statement(condition: Any = None, effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return of_tokens(PROVIDER, condition or {}, Effect=effect, **elements)


def answer(*statements: Any) -> Explanation:
    return explained(ROLE, document(*statements), REQUEST)


def printed(explanation: Explanation) -> str:
    return "\n".join(plain([section_of(explanation)]))


OTHER_SUB = {SUB: "system:serviceaccount:team-a:other"}
PAGES: dict[str, tuple[list[Any], str]] = {
    "denied by aud, one of several": (
        [statement({"StringEquals": {AUD: ["vault", "consul"], SUB: SUBJECT}})],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, aud does not match: it must be vault, or one of 1 more

statement 1: Allow, does not apply
    no:     StringEquals aud
    wanted: vault
            consul
    got:    sts.amazonaws.com
    yes:    Principal: the OIDC provider of the issuer
            Action: sts:AssumeRoleWithWebIdentity
            StringEquals sub: {SUBJECT}""",
    ),
    "a Deny": (
        [statement(Sid="All"), statement({"StringNotEquals": OTHER_SUB}, "Deny", Sid="Rest", Principal="*")],
        f"""\
denied: {MAY_NOT} statement 2 (Rest) denies it, and an explicit Deny wins over every Allow

statement 2 (Rest): Deny, applies
    yes: StringNotEquals sub
    not: system:serviceaccount:team-a:other
    got: {SUBJECT}
    yes: Principal: everybody
         Action: sts:AssumeRoleWithWebIdentity

statement 1 (All): Allow, applies
    yes: Principal: the OIDC provider of the issuer
         Action: sts:AssumeRoleWithWebIdentity""",
    ),
    "another AWS account's provider": (
        [statement(Principal={"Federated": ELSEWHERE})],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, Principal does not match: it must be {ELSEWHERE}

statement 1: Allow, does not apply
    no:     Principal
    wanted: {ELSEWHERE}
    got:    arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}
    hint:   The issuer is the same, but the AWS account or partition differs; STS uses the role's AWS account.
    yes:    Action: sts:AssumeRoleWithWebIdentity""",
    ),
    "another issuer's key": (
        [statement({"StringEquals": {"oidc.example.com/id/OTHER:sub": SUBJECT}})],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, oidc.example.com/id/OTHER:sub does not match

statement 1: Allow, does not apply
    no:     StringEquals: The request has no oidc.example.com/id/OTHER:sub, and a condition on an absent key is false.
    wanted: {SUBJECT}
    hint:   The keys of this token start with {HOST_PATH} (the issuer without https://).
    yes:    Principal: the OIDC provider of the issuer
            Action: sts:AssumeRoleWithWebIdentity""",
    ),
    "NotAction": (
        [{"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "NotAction": ["iam:*", "sts:*"]}],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, NotAction does not match

statement 1: Allow, does not apply
    no:  NotAction
    not: iam:*
         sts:*
    got: sts:AssumeRoleWithWebIdentity
    yes: Principal: the OIDC provider of the issuer""",
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_written_by_hand(name: str) -> None:
    statements, page = PAGES[name]
    assert printed(answer(*statements)) == page + FACTS


def test_a_missing_provider_is_what_decides() -> None:
    without = of_provider(AwsPlace(), None, PROVIDER, ["sts.amazonaws.com"])
    page = printed(explained(ROLE, document(statement({"StringEquals": {SUB: SUBJECT}}, Sid="Pods")), REQUEST, without))

    why = f"denied: {MAY_NOT} AWS account 111122223333 has no IAM OIDC provider for https://{HOST_PATH}"
    assert page.startswith(f"{why}\n\nstatement 1 (Pods): Allow, applies\n")


def test_a_hint_is_said_once() -> None:
    other = {f"oidc.example.com/id/OTHER:{claim}": "x" for claim in ("aud", "sub")}

    assert printed(answer(statement({"StringEquals": other}))).count("The keys of this token start with") == 1


TEXTS = st.one_of(
    st.text(st.one_of(st.characters(max_codepoint=0x2FF), st.sampled_from("漢字\u0301\u202e")), max_size=120),
    st.sampled_from(["x" * 300, "a b " * 40, '"\\" "', "漢字 " * 30, "e\u0301" * 90, "\nno   Principal", "\x1b[2K"]),
)
VALUES = st.lists(st.one_of(TEXTS, st.sampled_from(["system:serviceaccount:a:b", "true"])), max_size=3)
KEYS = st.one_of(TEXTS, st.sampled_from([f"{HOST_PATH}:sub", f"{HOST_PATH}:aud", "oidc.example.com:sub", "sub"]))
OPERATORS = st.one_of(TEXTS, st.sampled_from(["StringEquals", "StringNotLike", "Null", "ForAnyValue:StringEquals"]))
STATEMENTS = st.builds(
    lambda sid, effect, federated, actions, condition: {
        "Sid": sid,
        "Effect": effect,
        "Principal": {"Federated": federated},
        "Action": actions,
        "Condition": condition,
    },
    TEXTS,
    st.sampled_from(["Allow", "Deny"]),
    st.one_of(VALUES, st.just([PROVIDER])),
    st.one_of(VALUES, st.just(["sts:AssumeRoleWithWebIdentity"])),
    st.dictionaries(OPERATORS, st.dictionaries(KEYS, VALUES, max_size=2), max_size=2),
)


@given(st.lists(STATEMENTS, max_size=3))
@example([statement(Principal={"Federated": ["", "*"]})])
def test_nothing_of_a_reason_is_lost(statements: list[Any]) -> None:
    explanation = answer(*statements)
    page = printed(explanation).replace(" ", "").replace("\n", "")
    for shown in explanation.statements:
        for reason in shown.reasons:
            # These are said in words: the OIDC provider or everybody, absent or present.
            in_words = reason.outcome is not None and (reason.operator == "Null" or reason.element == "Principal")
            said = [] if in_words and (reason.outcome or reason.operator) else [named(each) for each in reason.wanted]
            for text in (*said, named(reason.operator) if reason.operator else "", reason.hint):
                assert text.replace(" ", "") in page


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
        (["a/b", ROLE, *TRUST], "--trust needs --issuer, the OIDC issuer of the cluster"),
        (["a/b", "my-role", *TRUST, *BY_ISSUER], "'my-role': not an ARN"),
        (["a/b", ROLE, *TRUST, "--issuer", "oidc.example.com"], "begin with https://"),
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

    assert main(["explain", "a/b", ROLE, *TRUST, *BY_ISSUER]) == (3 if said else 0)
    assert said in capsys.readouterr().err


def test_an_empty_role_is_no_missing_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", "a/b", ""])
    assert "the value is empty" in capsys.readouterr().err
