"""The grammar of policy documents, against the IAM User Guide.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from collections.abc import Iterable
from typing import Any

import pytest

from irsa.rules.grammar import (
    Operator,
    character_mistakes,
    condition_mistakes,
    document_mistakes,
    partition_mistakes,
    split_operator,
    statement_mistakes,
)
from irsa.rules.mistakes import Located, Place
from irsa.rules.unknown import OUTPUT
from tests.world import document as of_statements

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
ROOT = "arn:aws:iam::111122223333:root"
TRUST = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}


def document(*statements: Any, **elements: Any) -> dict[str, Any]:
    return {**of_statements(*statements), **elements}


def without(element: str) -> dict[str, Any]:
    return {key: value for key, value in STATEMENT.items() if key != element}


def places(mistakes: Iterable[Located]) -> list[Place]:
    return [place for place, _ in mistakes]


@pytest.mark.parametrize(
    "good",
    [
        document(STATEMENT),
        document(STATEMENT, Id="cd3ad3d9-2776-4ef1-a904-4c229d1642ee"),
        document(STATEMENT, *({**STATEMENT, "Sid": each} for each in ("A1", "a1", "", ""))),
        document({**STATEMENT, "Condition": {"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}}}),
        document({**STATEMENT, "Resource": "arn:aws:s3:::${aws:PrincipalTag/team}/*"}),
        document({**STATEMENT, "Resource": "arn:*:s3:::my-bucket"}),
        document({**STATEMENT, "Action": "*:*"}),
        document({**STATEMENT, "Resource": "arn:aws:sns:us-west-2:111122223333:my:topic"}),
    ],
)
def test_documents_that_iam_takes(good: dict[str, Any]) -> None:
    assert [*document_mistakes(good)] == []


@pytest.mark.parametrize(
    ("bad", "place", "word"),
    [
        ({}, ("Version",), "no Version"),
        (document(STATEMENT, Version="2008-10-17"), ("Version",), "2008-10-17"),
        (document(STATEMENT, Version=20121017), ("Version",), "20121017"),
        (document(STATEMENT, Version="2012-10-17 00:00:00 +0000 UTC"), ("Version",), "without quotes"),
        (document(), ("Statement",), "[]"),
        (document(Statement=None), ("Statement",), "nothing"),
        (document(STATEMENT, Id=5), ("Id",), "5"),
        (document(STATEMENT, version="2012-10-17"), ("version",), "unknown element"),
        (document(without("Effect")), ("Statement", 0, "Effect"), "no Effect"),
        *((document(without(each)), ("Statement", 0), each) for each in ("Action", "Resource")),
        (document(STATEMENT, {**STATEMENT, "Effect": "allow"}), ("Statement", 1, "Effect"), "allow"),
        (document({**STATEMENT, "Sid": "my-sid"}), ("Statement", 0, "Sid"), "my-sid"),
        (document({**STATEMENT, "NotAction": "s3:*"}), ("Statement", 0), "both Action and NotAction"),
        (document({**STATEMENT, "NotResource": "*"}), ("Statement", 0), "both Resource and NotResource"),
        (document({**STATEMENT, "Action": "GetObject"}), ("Statement", 0, "Action"), "GetObject"),
        (document({**STATEMENT, "Action": ["s3:*", "s3:Get Object"]}), ("Statement", 0, "Action", 1), "Get Object"),
        (document({**STATEMENT, "Action": "s3:a:b"}), ("Statement", 0, "Action"), "s3:a:b"),
        (document({**STATEMENT, "Resource": "a:aws:s3:::b"}), ("Statement", 0, "Resource"), "not an ARN"),
        (document({**STATEMENT, "Resource": "${aws:a:b:c:d:e:f}"}), ("Statement", 0, "Resource"), "not an ARN"),
        (document({**STATEMENT, "Resource": ["*", "arn:was:s3:::b"]}), ("Statement", 0, "Resource", 1), "'was'"),
        *(
            (document({**STATEMENT, "Resource": f"arn:{each}:s3:::b"}), ("Statement", 0, "Resource"), "partition is")
            for each in ("${aws:PrincipalTag/partition}", "${partiti:n}", "${")
        ),
        # A quotation mark that a word processor curled: IAM takes characters up to U+00FF.
        *(
            (document({**STATEMENT, "Resource": f"arn:aws:s3:::{name}"}), ("Statement", 0, "Resource"), "U+")
            for name in ("日本/*", "b/\u2019", "b/\U0001f600")
        ),
        (document({**STATEMENT, "Resource": None}), ("Statement", 0, "Resource"), "nothing"),
        (document({**STATEMENT, "Principal": "*"}), ("Statement", 0, "Principal"), "unknown element"),
        (document({**STATEMENT, "Condition": []}), ("Statement", 0, "Condition"), "[]"),
    ],
)
def test_documents_that_iam_refuses(bad: dict[str, Any], place: Place, word: str) -> None:
    mistakes = dict(document_mistakes(bad))
    assert place in mistakes
    assert word in mistakes[place].found
    assert len(mistakes) == (2 if bad == {} else 1)


def test_a_sid_that_is_used_twice() -> None:
    """Protects "the Sid value must be unique within a JSON policy"; the empty one is none.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
    """
    named = {**STATEMENT, "Sid": "One"}
    ((place, mistake),) = document_mistakes(document(named, STATEMENT, {**STATEMENT, "Sid": "one"}, named))
    assert place == ("Statement", 3, "Sid")
    assert "statement 0" in mistake.found


@pytest.mark.parametrize(
    "good",
    [
        TRUST,
        {**TRUST, "Sid": "A1", "Effect": "Deny"},
        *({**TRUST, "Action": action} for action in ("STS:TagSession", "sts:*", ["sts:SetSourceIdentity"])),
        *({**TRUST, "Principal": anybody} for anybody in ("*", {"AWS": "*"})),
        {**TRUST, "Principal": {"Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}},
        {**TRUST, "Principal": {"AWS": "111122223333", "Federated": "cognito-identity.amazonaws.com"}},
        {**TRUST, "Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}},
        {**TRUST, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}},
        # What is known later is no mistake now.
        *({**TRUST, "Principal": each} for each in (OUTPUT, {"AWS": OUTPUT}, {"AWS": [ROOT, OUTPUT]})),
    ],
)
def test_trust_statements_that_iam_takes(good: dict[str, Any]) -> None:
    """Protects the kinds of principals that the page lists.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    assert [*statement_mistakes(good, trust=True)] == []


@pytest.mark.parametrize(
    ("change", "place", "word"),
    [
        ({"Resource": "*"}, ("Resource",), "unknown element"),
        ({"NotPrincipal": {"AWS": "*"}}, ("NotPrincipal",), "unknown element"),
        ({"Principal": "arn:aws:iam::111122223333:root"}, ("Principal",), "arn:aws:iam::111122223333:root"),
        ({"Principal": {"aws": "*"}}, ("Principal", "aws"), "unknown principal"),
        ({"Principal": {"AWS": []}}, ("Principal", "AWS"), "[]"),
        ({"Principal": {"AWS": 111122223333}}, ("Principal", "AWS"), "111122223333"),
        ({"Principal": {"AWS": [1, ""]}}, ("Principal", "AWS"), "1"),
        # Narrow as they read, and no wildcards to IAM.
        ({"Principal": {"AWS": "arn:aws:iam::*:root"}}, ("Principal", "AWS"), "*"),
        ({"Principal": {"Federated": ROOT.replace("root", "oidc-provider/x*")}}, ("Principal", "Federated"), "*"),
        ({"Principal": {"Service": "*.amazonaws.com"}}, ("Principal", "Service"), "*"),
        *(
            ({"Action": ["sts:AssumeRole", action]}, ("Action", 1), action)
            for action in ("s3:GetObject", "iam:PassRole", "s3:*", "stsx:AssumeRole")
        ),
        ({"Principal": {"AWS": [["*"]]}}, ("Principal", "AWS"), "[['*']]"),
    ],
)
def test_trust_statements_that_iam_refuses(change: dict[str, Any], place: Place, word: str) -> None:
    ((found, mistake),) = statement_mistakes({**TRUST, **change}, ("here",), trust=True)
    assert found == ("here", *place)
    assert word in mistake.found


# The table of contents of reference_policies_elements_condition_operators.html.
DOCUMENTED = [
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    *("StringLike", "StringNotLike"),
    *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals"),
    *("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"),
    *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
]


@pytest.mark.parametrize("of_set", [None, "ForAllValues", "ForAnyValue"])
@pytest.mark.parametrize("if_exists", [False, True])
def test_operators_that_the_guide_lists(of_set: str | None, if_exists: bool) -> None:
    """Protects every operator of the guide, with the set operators in front and IfExists at the end.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    for name in DOCUMENTED:
        text = f"{f'{of_set}:' if of_set else ''}{name}{'IfExists' if if_exists else ''}"
        assert split_operator(text) == Operator(of_set, name, if_exists)
        assert [*condition_mistakes({text: {"aws:x": "true"}})] == []


@pytest.mark.parametrize(
    ("operator", "advice"),
    [
        ("stringEquals", "'StringEquals'"),
        ("StringEqual", "'StringEquals'"),
        ("StringsLike", "'StringLike'"),
        ("ForSomeValue:StringLike", ""),
        ("StringLikeIfexists", "'StringLike'"),
        ("StringEquals ", "'StringEquals'"),
        *((each, "") for each in ("NullIfExists", "ForAllValues:Null", "ForAnyValue:ForAllValues:StringEquals")),
        *((each, "") for each in ("StringEqualsIfExistsIfExists", "StringEquals\n")),
    ],
)
def test_operators_that_iam_does_not_have(operator: str, advice: str) -> None:
    assert split_operator(operator) is None
    ((place, mistake),) = condition_mistakes({operator: {"aws:x": "a"}})
    assert place == (operator,)
    assert f"{operator!r} is not a condition operator" in mistake.found
    assert advice in mistake.fix


@pytest.mark.parametrize(
    ("conditions", "place", "word"),
    [
        ([], (), "[]"),
        ({"StringEquals": "x"}, ("StringEquals",), "'x'"),
        ({"StringEquals": {"aws:x": []}}, ("StringEquals", "aws:x"), "[]"),
        ({"StringEquals": {"aws:x": ["a", ["b"]]}}, ("StringEquals", "aws:x"), "['a', ['b']]"),
        ({"StringEquals": {"aws:x": 1227433179}}, ("StringEquals", "aws:x"), "1227433179"),
        ({"ForAnyValue:StringLike": {"aws:x": ["a", 1]}}, ("ForAnyValue:StringLike", "aws:x"), "StringLike"),
    ],
)
def test_conditions_that_iam_refuses(conditions: Any, place: Place, word: str) -> None:
    """Protects the shape of a condition block: operators, keys, a string or a list of strings.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
    """
    ((found, mistake),) = condition_mistakes(conditions, ("Condition",))
    assert found == ("Condition", *place)
    assert word in mistake.found


@pytest.mark.parametrize("operator", ["StringEquals", "StringEqualsIgnoreCase", "ForAnyValue:StringEquals"])
@pytest.mark.parametrize("subject", ["system:serviceaccount:default:*", ["a", "system:serviceaccount:a:my-?"]])
def test_a_wildcard_that_does_not_work(operator: str, subject: Any) -> None:
    """Protects the page's own warning: `*` under StringEquals is a plain star, so no token matches.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    ((place, mistake),) = condition_mistakes({operator: {"oidc.example:sub": subject}})
    assert place == (operator, "oidc.example:sub")
    assert mistake.arguments == (("trust", "subjects"),)


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringLike": {"oidc.example:sub": "system:serviceaccount:default:*"}},
        {"StringEquals": {"oidc.example:sub": "system:serviceaccount:default:app"}},
        {"StringNotEquals": {"oidc.example:sub": "a*"}},
    ],
)
def test_a_wildcard_that_works_or_is_none(conditions: Any) -> None:
    assert [*condition_mistakes(conditions)] == []


def test_characters_of_latin_1_and_keys() -> None:
    assert list(character_mistakes({"é\xff": ["\xa0", {"ß": "ÿ"}]})) == []
    assert places(character_mistakes({"a": [{"\u0100": "b"}]})) == [("a", 0, "\u0100")]
    assert list(condition_mistakes({"StringEquals": {"aws:PrincipalTag/\u0100": "x"}}))
    condition = {"StringEquals": {"aws:PrincipalTag/x": "\u0100"}}
    assert list(statement_mistakes({**TRUST, "Sid": "A", "Condition": condition}, trust=True))


def test_what_is_beside_an_output_is_checked() -> None:
    statement = {**STATEMENT, "Action": [OUTPUT, "GetObject"], "Resource": OUTPUT, "Effect": "allow"}
    assert places(document_mistakes(document(OUTPUT, statement))) == [
        ("Statement", 1, "Effect"),
        ("Statement", 1, "Action", 1),
    ]


def test_a_resource_of_another_partition() -> None:
    """Protects roles in China and GovCloud: "each AWS account is scoped to one partition".

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    china, own = "arn:aws-cn:s3:::b", "arn:aws:s3:::b"
    value = document(
        {**STATEMENT, "Resource": china},
        {**STATEMENT, "Resource": [own, china, "*", "arn:*:s3:::b", "arn:${x}:s3:::b", "b", OUTPUT]},
        {**without("Resource"), "NotResource": [china]},
    )
    found = [*partition_mistakes(value, "aws")]
    assert places(found) == [
        ("Statement", 0, "Resource"),
        ("Statement", 1, "Resource", 1),
        ("Statement", 2, "NotResource", 0),
    ]
    assert all("'aws-cn'" in mistake.found and "'aws'" in mistake.allowed for _, mistake in found)
    assert places(partition_mistakes({"Statement": {"Resource": own}}, "aws-cn")) == [("Statement", "Resource")]


@pytest.mark.parametrize(
    ("version", "fix"),
    [
        ("\u201c2012-10-17\u201d", "remove the typographic quotes, or write plain ones"),
        ("2012\u201310\u201317", "write -"),
        ("2012-10-17\u4e00", "remove it, or write * for it"),
    ],
)
def test_what_a_word_processor_writes(version: str, fix: str) -> None:
    document = {"Version": version, "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}

    assert next(iter(document_mistakes(document)))[1].fix == fix
