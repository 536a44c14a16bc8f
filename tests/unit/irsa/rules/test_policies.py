"""Sizes of policy documents and their division over managed policies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.rules.policies import parse_document, policy_size, split_document

statements = st.builds(
    lambda action, count: {
        "Effect": "Allow",
        "Action": action,
        "Resource": ["arn:aws:s3:::bucket-" + "x" * 40] * count,
    },
    st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]),
    st.integers(1, 40),
)


def _document(items: list[Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": items}


def test_white_space_is_free() -> None:
    """Protects IAM's way of counting (IAM and STS quotas): white space does not count towards the size."""
    assert policy_size('{ "a" :\n "b" }') == policy_size('{"a":"b"}') == len('{"a":"b"}')


@given(st.lists(statements, min_size=1, max_size=20))
def test_every_part_fits_and_nothing_is_lost(items: list[Any]) -> None:
    """Protects the 6,144 characters of a managed policy, and every statement, once, in one of the parts."""
    parts = [json.loads(part) for part in split_document(_document(items))]

    assert all(len(json.dumps(part, separators=(",", ":"))) <= 6144 for part in parts)
    found = sorted(json.dumps(statement, sort_keys=True) for part in parts for statement in part["Statement"])
    assert found == sorted(json.dumps(statement, sort_keys=True) for statement in items)
    assert all(part["Version"] == "2012-10-17" for part in parts)


@given(st.lists(statements, min_size=1, max_size=20), statements)
def test_an_added_statement_moves_no_other(items: list[Any], added: Any) -> None:
    """Protects permissions while a document grows: a statement that moves between policies is missing for a moment."""
    before = [json.loads(part)["Statement"] for part in split_document(_document(items))]
    after = [json.loads(part)["Statement"] for part in split_document(_document([*items, added]))]

    for index, part in enumerate(before):
        assert after[index][: len(part)] == part


def test_a_statement_that_is_too_long_alone() -> None:
    """Protects the message: it names the statement that no division can help."""
    items = [{"Effect": "Allow", "Action": "s3:*", "Resource": "x" * 6200}]

    with pytest.raises(Mistake, match="statement 0 alone"):
        split_document(_document(items))


@pytest.mark.parametrize(
    ("text", "word"), [("{", "line 1"), ("[]", "not a policy document"), ('{"a": 1}', "not a policy document")]
)
def test_what_is_no_policy_document(text: str, word: str) -> None:
    """Protects the message for a file that is not a policy document."""
    with pytest.raises(Mistake, match=word):
        parse_document(text)
