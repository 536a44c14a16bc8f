"""Documents that differ though no place of theirs reads differently."""

from typing import Any

import pytest

from irsa.evaluation.differences import differences

STATEMENT: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}


def document(**elements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{**STATEMENT, **elements}]}


@pytest.mark.parametrize(
    ("declared", "live", "expected", "found"),
    [
        ({"Resource": ["a, b"]}, {"Resource": ["'a", "b'"]}, '"a, b"', """"'a", "b'\""""),
        ({"Resource": ["a", "b"]}, {"Resource": ["a, b"]}, "a, b", '"a, b"'),
        ({"Resource": []}, {"Resource": [""]}, "[]", '""'),
        ({"Resource": []}, {"Resource": ["[]"]}, "[]", '"[]"'),
        ({"Condition": {"StringEquals": {"k": []}}}, {"Condition": {"StringEquals": {"k": ""}}}, "[]", '""'),
    ],
)
def test_what_reads_alike_is_quoted(declared: dict[str, Any], live: dict[str, Any], expected: str, found: str) -> None:
    """The attack: a live policy that is another one, and of which `irsa verify` said that it is the declared one."""
    for one, other, texts in ((declared, live, (found, expected)), (live, declared, (expected, found))):
        (difference,) = differences(document(**one), document(**other))

        assert (difference.found, difference.expected) == texts


def test_what_reads_alike_is_shown_whole() -> None:
    """The attack: a live policy that differs only in a mapping of nothing, which has no place of its own."""
    for one, other in (({"Principal": {}}, {}), ({}, {"Principal": {}})):
        found = differences(document(**one), document(**other))

        assert [(each.place, "Allow" in each.found, "Allow" in each.expected) for each in found] == [
            ("Statement", False, True),
            ("Statement", True, False),
        ]


@pytest.mark.parametrize("root", ["xarn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root/x"])
def test_only_the_whole_arn_of_an_account_is_its_number(root: str) -> None:
    """The attack: a principal around the ARN of an account, which was read as the account's number within it."""
    number = root.replace("arn:aws:iam::111122223333:root", "111122223333")

    assert differences(document(Principal={"AWS": number}), document(Principal={"AWS": root}))
    whole = document(Principal={"AWS": "arn:aws:iam::111122223333:root"})
    assert differences(document(Principal={"AWS": "111122223333"}), whole) == []
