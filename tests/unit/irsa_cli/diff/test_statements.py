"""Which statements of policy documents differ, and in what."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.diff.statements import StatementChange, statement_changes
from tests.unit.irsa_cli.diff.previews import statement
from tests.world import document, of_tokens

READ = statement("s3:GetObject", ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"], Sid="Read")
SEND = statement("sqs:SendMessage")


def between(before: Any, after: Any) -> list[StatementChange]:
    found = statement_changes(before, after)
    assert found is not None
    return found


def values(elements: Sequence[Any]) -> list[str]:
    return [f"{each.place}: {each.value}" for each in elements]


def test_a_statement_is_known_by_its_sid() -> None:
    alike = {**READ, "Sid": "More", "Action": ["s3:GetObject", "s3:PutObject"]}
    found = between(document(READ), document({**READ, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::a"}, alike))

    assert [(each.statement, each.effect, each.change) for each in found] == [
        ("Read", "Allow", "changed"),
        ("More", "Allow", "added"),
    ]
    assert values(found[0].added) == ["Action: s3:ListBucket", "Resource: arn:aws:s3:::a"]
    assert values(found[0].removed) == [
        "Action: s3:GetObject",
        "Resource: arn:aws:s3:::a/*",
        "Resource: arn:aws:s3:::b/*",
    ]


def test_conditions_of_a_trust_policy_have_short_names() -> None:
    host = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    claims = {f"{host}:sub": "a", "oidc.example.org:sub": "b"}
    trusted = of_tokens(f"arn:aws:iam::111122223333:oidc-provider/{host}", {"StringEquals": claims})
    (found,) = between(None, document(trusted))

    assert values(found.added)[-2:] == [
        "Condition StringEquals oidc.example.org:sub: b",
        "Condition StringEquals sub: a",
    ]


def when(**condition: Any) -> dict[str, Any]:
    return document({**SEND, "Condition": condition})


def test_a_pattern_turns_the_operator_of_the_other_values() -> None:
    (found,) = between(when(StringEquals={"k": ["a", "b"]}), when(StringLike={"k": ["a", "c*"]}))

    assert values(found.removed) == ["Condition StringEquals k: b"]
    assert values(found.added) == ["Condition StringLike k: c*"]


@pytest.mark.parametrize(
    ("before", "after", "removed", "added"),
    [
        # Nothing else differs.
        (when(StringEquals={"k": "a"}), when(StringLike={"k": "a"}), ["StringEquals k: a"], ["StringLike k: a"]),
        # A star is a plain character for StringEquals.
        (
            when(StringEquals={"k": "a*"}),
            when(StringLike={"k": ["a*", "b"]}),
            ["StringEquals k: a*"],
            ["StringLike k: a*", "StringLike k: b"],
        ),
        # Both conditions must hold.
        (
            when(StringLike={"k": ["a", "b", "c"]}),
            when(StringEquals={"k": "a"}, StringLike={"k": "b"}),
            ["StringLike k: a", "StringLike k: c"],
            ["StringEquals k: a"],
        ),
    ],
)
def test_an_operator_that_makes_a_difference(before: Any, after: Any, removed: list[str], added: list[str]) -> None:
    """The attack: a condition that means something else, and of which nothing is shown."""
    (found,) = between(before, after)

    assert [each.removeprefix("Condition ") for each in values(found.removed)] == removed
    assert [each.removeprefix("Condition ") for each in values(found.added)] == added


def test_what_means_the_same_is_no_change() -> None:
    """Protects readers from noise: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html."""
    in_other_words = {**READ, "Sid": "Other", "Resource": READ["Resource"][::-1]}

    assert between(document(READ, SEND), document({**SEND, "Action": ["SQS:sendmessage"]}, in_other_words)) == []


def test_the_version_counts() -> None:
    (found,) = between({**document(SEND), "Version": "2008-10-17"}, document(SEND))

    assert (values(found.removed), values(found.added)) == (["Version: 2008-10-17"], ["Version: 2012-10-17"])


@pytest.mark.parametrize(
    "other", ["no JSON", "[]", '{"Statement": ["x"]}', '{"Statement": {"Condition": 1}}', "[" * 9999]
)
def test_what_is_no_document_is_not_compared(other: str) -> None:
    assert statement_changes(document(SEND), other) is None


STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "Sid": st.sampled_from(["", "A", "B"]),
            "Effect": st.sampled_from(["Allow", "Deny"]),
            "Action": st.lists(st.sampled_from(["s3:Get*", "s3:Put*", "sqs:*"]), min_size=1, unique=True),
            "Resource": st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, unique=True),
        }
    ),
    max_size=4,
)


def meant(written: Any) -> frozenset[tuple[str, str]]:
    parts = {(key, value) for key in ("Action", "Resource") for value in written[key]}
    return frozenset({("Effect", written["Effect"]), *parts})


@given(STATEMENTS, STATEMENTS)
def test_the_changes_lead_from_one_document_to_the_other(before: list[Any], after: list[Any]) -> None:
    gone, come = {meant(each) for each in before}, {meant(each) for each in after}
    kept = gone & come
    removed = [value for each in gone - kept for value in each]
    added = [value for each in come - kept for value in each]
    for each in between(document(*before), document(*after)):
        for elements, those in ((each.removed, removed), (each.added, added)):
            for element in elements:
                those.remove((element.place, element.value))
    # What a changed statement keeps is on both sides.
    assert sorted(removed) == sorted(added)
