import json
from typing import Any

import pytest

from irsa.rules.mistakes import Mistake
from irsa.rules.policies import chaining_policy, parse_document, parse_object, split_document


def _document(items: list[Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": items}


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
    """Protects the first minute with a broken policy file: what is wrong, where, and the comma that JSON has not.

    Source: RFC 8259, which has no trailing comma, no NaN and no Infinity.
    """
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
    parts = split_document({**_document(items), "Id": "i"})

    assert len(parts) == expected
    assert [json.loads(part)["Id"] for part in parts] == ["i"] * expected
    assert (len(parts[0]) == 6144) is (expected == 1)
    # The same two with a third behind them: they share a policy where they fit, and are divided where they do not.
    divided = split_document({**_document([*items, items[0]]), "Id": "i"})
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
