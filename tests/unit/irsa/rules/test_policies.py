"""Policy documents as text: what is no document, and sizes where AWS leaves open what counts, white space in strings.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html says that IAM does not count white space.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.rules.policies import (
    chaining_policy,
    parse_document,
    parse_object,
    policy_size,
    role_usages,
    split_document,
    trust_usage,
)
from irsa.rules.quotas import check_usage
from tests.world import document


@pytest.mark.parametrize(
    ("text", "word", "advice"),
    [
        *((text, "not a policy document", "") for text in ("5", "null", "[]")),
        ('"text"', "not a policy document", ""),
        ('{"a": NaN}', "NaN", "write a JSON number"),
        ('{"a": -Infinity}', "-Infinity", "write a JSON number"),
        ('{"a": 1e999}', "1e999", "write a JSON number"),
        ('{"a": ' + "9" * 5000 + "}", "digits", ""),
        ("[" * 100_000, "nested more than 100 deep", "remove levels"),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", "nested more than 100 deep", "remove levels"),
    ],
)
def test_what_is_no_object_of_json(text: str, word: str, advice: str) -> None:
    """Source: RFC 8259, which has no NaN and no Infinity."""
    with pytest.raises(Mistake) as error:
        parse_object(text)
    assert word in error.value.found
    assert advice in error.value.fix


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '{"b": [{"a": 1, "c": 2, "a": 3}]}'])
def test_a_key_that_one_object_has_twice(text: str) -> None:
    with pytest.raises(Mistake, match="'a' twice"):
        parse_object(text)


def test_an_object_is_read_as_json_has_it() -> None:
    text = '{"b": [1, 1.5, true, null, "\\u00e9"], "a": {"b": 1}}'
    assert parse_object(text) == {"b": [1, 1.5, True, None, "é"], "a": {"b": 1}}
    assert parse_document('{"Statement": []}') == {"Statement": []}
    with pytest.raises(Mistake, match="not a policy document"):
        parse_document('{"a": 1}')


@pytest.mark.parametrize(("extra", "expected"), [(0, 1), (1, 2)])
def test_a_document_is_divided_just_above_the_quota(extra: int, expected: int) -> None:
    frame = '{"Id":"i","Statement":[,],"Version":"2012-10-17"}'
    statement = '{"Action":"s3:*","Effect":"Allow","Resource":""}'
    room = 6144 - len(frame) - 2 * len(statement) + extra
    resources = ["x" * (room // 2), "x" * (room - room // 2)]
    items = [{"Effect": "Allow", "Action": "s3:*", "Resource": resource} for resource in resources]
    parts = split_document({**document(*items), "Id": "i"})

    assert len(parts) == expected
    assert [json.loads(part)["Id"] for part in parts] == ["i"] * expected
    assert (len(parts[0]) == 6144) is (expected == 1)
    # The same two with a third behind them: they share a policy where they fit, and are divided where they do not.
    divided = split_document({**document(*items, items[0]), "Id": "i"})
    assert [len(json.loads(part)["Statement"]) for part in divided] == ([2, 1] if expected == 1 else [1, 1, 1])


def test_a_role_that_assumes_others() -> None:
    """Protects the cross-account page's policy: sts:AssumeRole on exactly these roles, the same text in any order.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    roles = [f"arn:aws:iam::{number}:role/r" for number in ("444455556666", "111122223333")]
    assert json.loads(chaining_policy(roles)) == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": sorted(roles)}],
    }
    assert chaining_policy(roles) == chaining_policy(roles[::-1])


QUOTA = 6_144
JSON_VALUES = st.recursive(
    st.text('a "\\\n\t\xa0\x85{}[]:,', max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a "\\', max_size=4), inner, max_size=4),
)


def on(*resources: str) -> dict[str, Any]:
    return document(*({"Effect": "Allow", "Action": "s3:GetObject", "Resource": each} for each in resources))


@given(JSON_VALUES, st.sampled_from([None, 1, "\t"]))
def test_white_space_between_strings_does_not_count(value: Any, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    assert policy_size(text) == len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def test_a_statement_that_is_too_long_alone() -> None:
    for blank in " \xa0":
        with pytest.raises(Mistake, match="statement 0 alone"):
            split_document(on("arn:aws:s3:::a" + blank * 7000, "arn:aws:s3:::b"))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_divisions_without_white_space_in_strings_stay(lengths: list[int]) -> None:
    whole = on(*(f"arn:aws:s3:::{'x' * length}" for length in lengths))
    expected: list[list[Any]] = []
    for statement in whole["Statement"]:
        for part in expected:
            if len(json.dumps({**whole, "Statement": [*part, statement]}, separators=(",", ":"))) <= QUOTA:
                part.append(statement)
                break
        else:
            expected.append([statement])

    assert [json.loads(part)["Statement"] for part in split_document(whole)] == expected


def test_each_quota_is_checked() -> None:
    too_long = json.dumps("x" * 12_000)
    ((_, _), (_, inline)) = role_usages(0, [too_long])
    for usage in (trust_usage(too_long), inline):
        with pytest.raises(Mistake, match="at most"):
            check_usage(usage)
    assert check_usage(trust_usage(json.dumps("x" * 100))) is False
