"""The division of any document over managed policies."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.policies import split_document

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


@given(st.lists(statements, min_size=1, max_size=20))
def test_every_part_fits_and_nothing_is_lost(items: list[Any]) -> None:
    parts = [json.loads(part) for part in split_document(_document(items))]

    assert all(len(json.dumps(part, separators=(",", ":"))) <= 6144 for part in parts)
    found = sorted(json.dumps(statement, sort_keys=True) for part in parts for statement in part["Statement"])
    assert found == sorted(json.dumps(statement, sort_keys=True) for statement in items)
    assert all(part["Version"] == "2012-10-17" for part in parts)


@given(st.lists(statements, min_size=1, max_size=20), statements)
def test_an_added_statement_moves_no_other(items: list[Any], added: Any) -> None:
    before = [json.loads(part)["Statement"] for part in split_document(_document(items))]
    after = [json.loads(part)["Statement"] for part in split_document(_document([*items, added]))]

    for index, part in enumerate(before):
        assert after[index][: len(part)] == part
