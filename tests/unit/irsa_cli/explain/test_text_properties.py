"""Whatever a trust policy holds: no line is longer than it must be, and nothing of a reason is lost."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from irsa.evaluation import WebIdentityRequest
from irsa.rules.mistakes import named
from irsa_cli.explain.output import Explanation, explained, lines

HOST_PATH = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
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


def answer(statements: list[Any]) -> Explanation:
    request = WebIdentityRequest(f"https://{HOST_PATH}", PROVIDER, "system:serviceaccount:a:b", "sts.amazonaws.com")
    return explained("arn:aws:iam::111122223333:role/r", {"Statement": statements}, request)


@given(st.lists(STATEMENTS, max_size=3))
@example(
    statements=[{"Effect": "Allow", "Principal": {"Federated": ["", "*"]}, "Action": "sts:AssumeRoleWithWebIdentity"}]
)
def test_nothing_of_a_reason_is_lost(statements: list[Any]) -> None:
    explanation = answer(statements)
    page = "".join(line for line, _ in lines(explanation)).replace(" ", "")
    for statement in explanation.statements:
        for reason in statement.reasons:
            # These are said in words: the OIDC provider or everybody, absent or present.
            in_words = reason.outcome is not None and (reason.operator == "Null" or reason.element == "Principal")
            said = [] if in_words and (reason.outcome or reason.operator) else [named(each) for each in reason.wanted]
            for text in (*said, named(reason.operator) if reason.operator else "", reason.hint):
                assert text.replace(" ", "") in page
