"""What `irsa explain` prints, against pages written by hand: what decides comes first, and 80 columns are enough.

Whatever a trust policy holds: no line is longer than it must be, and nothing of a reason is lost.
"""

import textwrap
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irsa.evaluation import WebIdentityRequest
from irsa.rules.mistakes import named
from irsa_cli.explain.output import Explanation, explained, lines
from irsa_world.verdict import of_provider
from tests.world import document, of_tokens

HOST_PATH = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
ROLE = "arn:aws:iam::111122223333:role/my-role"
AUD, SUB = f"{HOST_PATH}:aud", f"{HOST_PATH}:sub"
SUBJECT = "system:serviceaccount:team-a:app"
REQUEST = WebIdentityRequest(f"https://{HOST_PATH}", PROVIDER, SUBJECT, "sts.amazonaws.com")
WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}
FACTS = f"""

sub       {SUBJECT}
aud       sts.amazonaws.com
issuer    https://{HOST_PATH}"""
REST = """
  yes  Principal: the OIDC provider of the issuer
  yes  Action: sts:AssumeRoleWithWebIdentity"""


MAY_NOT = f"team-a/app may not assume {ROLE}:"
ELSEWHERE = PROVIDER.replace("111122223333", "444455556666")


def filled(page: str) -> str:
    """Return a page with its first line in lines of 80 columns."""
    first, _, rest = page.partition("\n")
    return "\n".join([*textwrap.wrap(first, 80, subsequent_indent="  ", **WHOLE), *([rest] if rest else [])])


def statement(condition: Any = None, effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return of_tokens(PROVIDER, condition or {}, Effect=effect, **elements)


def answer(*statements: Any) -> Explanation:
    return explained(ROLE, document(*statements), REQUEST)


def printed(explanation: Explanation) -> str:
    return "\n".join(line for line, _ in lines(explanation))


OTHER_SUB = {SUB: "system:serviceaccount:team-a:other"}
PAGES: dict[str, tuple[list[Any], str]] = {
    "denied by aud, one of several": (
        [statement({"StringEquals": {AUD: ["vault", "consul"], SUB: SUBJECT}})],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, aud does not match: it must be vault, or one of 1 more
statement 1: Allow, does not apply
  no   StringEquals aud
       wanted  vault
       or      consul
       got     sts.amazonaws.com{REST}
  yes  StringEquals sub: {SUBJECT}""",
    ),
    "a Deny": (
        [statement(Sid="All"), statement({"StringNotEquals": OTHER_SUB}, "Deny", Sid="Rest", Principal="*")],
        f"""\
denied: {MAY_NOT} statement 2 (Rest) denies it, and an explicit Deny wins over every Allow
statement 2 (Rest): Deny, applies
  yes  StringNotEquals sub
       not     system:serviceaccount:team-a:other
       got     {SUBJECT}
  yes  Principal: everybody
  yes  Action: sts:AssumeRoleWithWebIdentity
statement 1 (All): Allow, applies{REST}""",
    ),
    "another AWS account's provider": (
        [statement(Principal={"Federated": ELSEWHERE})],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, Principal does not match: it must be {ELSEWHERE}
statement 1: Allow, does not apply
  no   Principal
       wanted  {ELSEWHERE}
       got     arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}
       The issuer is the same, but the AWS account or partition differs; STS
       uses the role's AWS account.
  yes  Action: sts:AssumeRoleWithWebIdentity""",
    ),
    "another issuer's key": (
        [statement({"StringEquals": {"oidc.example.com/id/OTHER:sub": SUBJECT}})],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, oidc.example.com/id/OTHER:sub does not match
statement 1: Allow, does not apply
  no   StringEquals: The request has no oidc.example.com/id/OTHER:sub, and a
       condition on an absent key is false.
       wanted  {SUBJECT}
       The keys of this token start with
       {HOST_PATH} (the issuer without
       https://).{REST}""",
    ),
    "NotAction": (
        [{"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "NotAction": ["iam:*", "sts:*"]}],
        f"""\
denied: {MAY_NOT} no statement allows it; in statement 1, NotAction does not match
statement 1: Allow, does not apply
  no   NotAction
       not     iam:*
       nor     sts:*
       got     sts:AssumeRoleWithWebIdentity
  yes  Principal: the OIDC provider of the issuer""",
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_written_by_hand(name: str) -> None:
    statements, page = PAGES[name]
    assert printed(answer(*statements)) == filled(page) + FACTS


def test_a_missing_provider_is_what_decides() -> None:
    without = of_provider(None, PROVIDER, ["sts.amazonaws.com"])
    page = printed(explained(ROLE, document(statement({"StringEquals": {SUB: SUBJECT}}, Sid="Pods")), REQUEST, without))

    why = f"denied: {MAY_NOT} AWS account 111122223333 has no IAM OIDC provider for https://{HOST_PATH}"
    assert page.startswith(f"{filled(why)}\nstatement 1 (Pods): Allow, applies\n")


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
    page = "".join(line for line, _ in lines(explanation)).replace(" ", "")
    for shown in explanation.statements:
        for reason in shown.reasons:
            # These are said in words: the OIDC provider or everybody, absent or present.
            in_words = reason.outcome is not None and (reason.operator == "Null" or reason.element == "Principal")
            said = [] if in_words and (reason.outcome or reason.operator) else [named(each) for each in reason.wanted]
            for text in (*said, named(reason.operator) if reason.operator else "", reason.hint):
                assert text.replace(" ", "") in page
