"""What IAM refuses in documents, so that it is refused before the deployment.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html,
reference_iam-quotas.html and reference_policies_elements_condition_operators.html.
"""

from typing import Any

import pytest

from irsa.rules.grammar import (
    character_mistakes,
    condition_mistakes,
    document_mistakes,
    sid_mistakes,
    split_operator,
    statement_mistakes,
)
from irsa.rules.mistakes import Located

TRUST: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}
POLICY: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


def trust_mistakes(statement: dict[str, Any]) -> list[Located]:
    return [*statement_mistakes(statement, trust=True)]


@pytest.mark.parametrize(
    "operator",
    [
        "NullIfExists",
        "ForAnyValue:Null",
        "ForAllValues:Null",
        "ForAnyValue:NullIfExists",
        "ForAnyValue:ForAllValues:StringEquals",
        "ForAllValues:ForAllValues:StringLike",
        "StringEqualsIfExistsIfExists",
        "StringEquals\n",
        "stringequals",
        "ForSomeValue:StringEquals",
    ],
)
def test_operators_that_iam_does_not_have(operator: str) -> None:
    """The attack: a condition that reads as one and is none, which IAM refuses only in the middle of a deployment."""
    assert split_operator(operator) is None
    ((place, _),) = condition_mistakes({operator: {"aws:SourceVpc": "true"}})
    assert place == (operator,)


@pytest.mark.parametrize(
    "operator", ["Null", "StringEqualsIfExists", "ForAnyValue:StringLike", "ForAllValues:StringEqualsIfExists"]
)
def test_operators_that_iam_has(operator: str) -> None:
    """Protects operators with and without a set, and with IfExists."""
    assert split_operator(operator) is not None
    assert list(condition_mistakes({operator: {"aws:SourceVpc": "true"}})) == []


@pytest.mark.parametrize("action", ["s3:GetObject", "iam:PassRole", "s3:*", "stsx:AssumeRole"])
def test_a_trust_statement_is_about_assuming(action: str) -> None:
    """The attack: permissions in a trust statement; IAM takes only actions of sts there."""
    ((place, _),) = trust_mistakes({**TRUST, "Action": ["sts:AssumeRole", action]})

    assert place == ("Action", 1)


@pytest.mark.parametrize("action", ["sts:AssumeRole", "STS:TagSession", "sts:*", ["sts:SetSourceIdentity"]])
def test_actions_of_a_trust_statement(action: Any) -> None:
    """Protects every action of sts, whose prefix has no case."""
    assert trust_mistakes({**TRUST, "Action": action}) == []


@pytest.mark.parametrize("principal", [[1, ""], "", [""], [], None, 111122223333])
def test_principals_that_are_nobody(principal: Any) -> None:
    """The attack: a principal that is empty, or an account's number that lost its zeros."""
    mistakes = trust_mistakes({**TRUST, "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"})

    assert [place for place, _ in mistakes] == [("Principal", "AWS")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("AWS", "?"),
        ("AWS", "arn:aws:iam::*:root"),
        ("AWS", ["arn:aws:iam::111122223333:role/ci", "arn:aws:iam::111122223333:role/*"]),
        ("Federated", "arn:aws:iam::111122223333:oidc-provider/oidc.eks.*"),
        ("Service", "*.amazonaws.com"),
    ],
)
def test_a_part_of_a_principal_is_no_wildcard(kind: str, value: Any) -> None:
    """The attack: a principal that reads as if it were narrow, and that IAM refuses half-way through the deployment.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    mistakes = trust_mistakes({**TRUST, "Principal": {kind: value}, "Action": "sts:AssumeRole"})

    assert [place for place, _ in mistakes] == [("Principal", kind)]
    assert trust_mistakes({**TRUST, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}) == []


def test_a_sid_twice() -> None:
    """The attack: two statements of one Sid, which IAM refuses in every document; none and an empty one are no Sid."""
    statements = [{"Sid": "A"}, {"Sid": ""}, {}, {"Sid": ""}, {"Sid": "A"}, {"Sid": "a"}]

    ((place, mistake),) = sid_mistakes(statements)
    assert place == (4, "Sid")
    assert "statement 0" in mistake.found


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("arn:aws:s3:::日本/*", ("Statement", 0, "Resource")),
        ("arn:aws:s3:::b/\u2019", ("Statement", 0, "Resource")),
        ("arn:aws:s3:::b/\U0001f600", ("Statement", 0, "Resource")),
    ],
)
def test_characters_that_iam_takes_in_no_document(value: str, place: tuple[Any, ...]) -> None:
    """The attack: a quotation mark that a word processor curled: IAM takes characters up to U+00FF."""
    found = [*document_mistakes({"Version": "2012-10-17", "Statement": [{**POLICY, "Resource": value}]})]

    assert [where for where, _ in found] == [place]
    assert "U+" in found[0][1].found


def test_characters_of_latin_1_and_keys() -> None:
    """Protects umlauts, which IAM takes, and finds what it does not in keys too, at every depth."""
    assert list(character_mistakes({"é\xff": ["\xa0", {"ß": "ÿ"}]})) == []
    keys = [place for place, _ in character_mistakes({"a": [{"\u0100": "b"}]})]
    assert keys == [("a", 0, "\u0100")]
    assert list(condition_mistakes({"StringEquals": {"aws:PrincipalTag/\u0100": "x"}}))
    assert (trust_mistakes({**TRUST, "Action": "sts:AssumeRole", "Sid": "A", "Condition": {
        "StringEquals": {"aws:PrincipalTag/x": "\u0100"}}}))  # fmt: skip


@pytest.mark.parametrize("partition", ["${aws:PrincipalTag/partition}", "${partiti:n}", "${"])
def test_no_partition_is_a_variable_of_iam(partition: str) -> None:
    """The slip: `${partiti:n}` for `${partition}`, which IAM refuses: `Partition "${partiti" is not valid`."""
    ((place, mistake),) = statement_mistakes({**POLICY, "Resource": f"arn:{partition}:s3:::b"}, trust=False)

    assert place == ("Resource",)
    assert "the partition is" in mistake.found
