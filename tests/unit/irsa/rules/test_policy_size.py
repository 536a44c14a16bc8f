"""Sizes where AWS leaves open what counts: white space within strings.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html says that IAM does not count white space.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.rules.policies import (
    document_usage,
    largest_policy_size,
    policy_size,
    role_usages,
    split_document,
    trust_usage,
)
from irsa.rules.quotas import check_usage

QUOTA = 6_144
JSON_VALUES = st.recursive(
    st.text('a "\\\n\t\xa0\x85{}[]:,', max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a "\\', max_size=4), inner, max_size=4),
)


def document(*resources: str) -> dict[str, Any]:
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource} for resource in resources]
    return {"Version": "2012-10-17", "Statement": statements}


@given(JSON_VALUES, st.sampled_from([None, 1, "\t"]))
def test_between_the_two_figures(value: Any, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    assert largest_policy_size(text) == len(compact)
    assert policy_size(text) == len("".join(character for character in compact if character not in " \t\n\r"))


def test_a_statement_is_refused_by_the_lower_figure_only() -> None:
    blanks = document("arn:aws:s3:::a" + " " * 7000, "arn:aws:s3:::b")
    assert [len(json.loads(part)["Statement"]) for part in split_document(blanks)] == [1, 1]

    alone = {**blanks, "Statement": blanks["Statement"][0]}
    assert split_document(alone) == [json.dumps(alone, separators=(",", ":"), sort_keys=True)]

    with pytest.raises(Mistake, match="statement 0 alone"):
        split_document(document("arn:aws:s3:::a" + "\xa0" * 7000, "arn:aws:s3:::b"))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_divisions_without_white_space_in_strings_stay(lengths: list[int]) -> None:
    whole = document(*(f"arn:aws:s3:::{'x' * length}" for length in lengths))
    expected: list[list[Any]] = []
    for statement in whole["Statement"]:
        for part in expected:
            if len(json.dumps({**whole, "Statement": [*part, statement]}, separators=(",", ":"))) <= QUOTA:
                part.append(statement)
                break
        else:
            expected.append([statement])

    assert [json.loads(part)["Statement"] for part in split_document(whole)] == expected


def test_a_quota_is_exceeded_by_the_lower_figure_and_warned_of_by_the_higher() -> None:
    unsure, too_long = json.dumps(" " * 12_000), json.dumps("x" * 12_000)
    ((_, _), (_, inline)) = role_usages(0, [unsure])

    for usage in (document_usage(unsure), trust_usage(unsure), inline):
        assert check_usage(usage) is True
        assert "2 to 12,002 of" in str(usage)
    for usage in (document_usage(too_long), trust_usage(too_long)):
        with pytest.raises(Mistake, match="at most"):
            check_usage(usage)
    assert check_usage(trust_usage(json.dumps("x" * 100))) is False
