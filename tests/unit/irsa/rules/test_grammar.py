"""The grammar of policy documents, against the IAM User Guide.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
ROOT = "arn:aws:iam::111122223333:root"
TRUST = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}


def document(*statements: Any, **elements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **elements}


def without(element: str) -> dict[str, Any]:
    return {key: value for key, value in STATEMENT.items() if key != element}


def places(mistakes: Iterable[Located]) -> list[Place]:
    return [place for place, _ in mistakes]


# Documents


@pytest.mark.parametrize(
    "good",
    [
        document(STATEMENT),
        document(STATEMENT, Id="cd3ad3d9-2776-4ef1-a904-4c229d1642ee"),
        document(STATEMENT, *({**STATEMENT, "Sid": each} for each in ("A1", "a1", "", ""))),
        document({**STATEMENT, "Action": ["s3:Get*", "s3:?etObject", "*"]}),
        document({**STATEMENT, "Condition": {"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}}}),
        document({**STATEMENT, "Resource": "arn:aws:s3:::${aws:PrincipalTag/team}/*"}),
        document({**STATEMENT, "Resource": "arn:*:s3:::my-bucket"}),
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
        (document(STATEMENT, Statements=[]), ("Statements",), "unknown element"),
        (document(STATEMENT, version="2012-10-17"), ("version",), "unknown element"),
        (document(STATEMENT, {**STATEMENT, "Effect": "allow"}), ("Statement", 1, "Effect"), "allow"),
        (document({**STATEMENT, "Sid": "my-sid"}), ("Statement", 0, "Sid"), "my-sid"),
        (document({**STATEMENT, "Sid": None}), ("Statement", 0, "Sid"), "nothing"),
        (document({**STATEMENT, "NotAction": "s3:*"}), ("Statement", 0), "both Action and NotAction"),
        (document({**STATEMENT, "NotResource": "*"}), ("Statement", 0), "both Resource and NotResource"),
        (document({**STATEMENT, "Action": "GetObject"}), ("Statement", 0, "Action"), "GetObject"),
        (document({**STATEMENT, "Action": ["s3:*", "s3:Get Object"]}), ("Statement", 0, "Action", 1), "Get Object"),
        (document({**STATEMENT, "Action": []}), ("Statement", 0, "Action"), "[]"),
        (document({**STATEMENT, "Action": "s3:a:b"}), ("Statement", 0, "Action"), "s3:a:b"),
        (document({**STATEMENT, "Resource": "arn:aws:s3"}), ("Statement", 0, "Resource"), "not an ARN"),
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


# Trust statements


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
        ({"Principal": {}}, ("Principal",), "{}"),
        ({"Principal": "arn:aws:iam::111122223333:root"}, ("Principal",), "arn:aws:iam::111122223333:root"),
        ({"Principal": {"aws": "*"}}, ("Principal", "aws"), "unknown principal"),
        ({"Principal": {"AWS": []}}, ("Principal", "AWS"), "[]"),
        ({"Principal": {"AWS": 111122223333}}, ("Principal", "AWS"), "111122223333"),
        ({"Principal": {"AWS": ""}}, ("Principal", "AWS"), "''"),
        ({"Principal": {"AWS": [1, ""]}}, ("Principal", "AWS"), "1"),
        # Narrow as they read, and no wildcards to IAM.
        ({"Principal": {"AWS": "arn:aws:iam::*:root"}}, ("Principal", "AWS"), "*"),
        ({"Principal": {"AWS": [ROOT, ROOT.replace("root", "role/*")]}}, ("Principal", "AWS"), "*"),
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


# Conditions

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
        ("x", (), "'x'"),
        ({"StringEquals": "x"}, ("StringEquals",), "'x'"),
        ({"StringEquals": {"aws:x": []}}, ("StringEquals", "aws:x"), "[]"),
        ({"StringEquals": {"aws:x": {"a": "b"}}}, ("StringEquals", "aws:x"), "{'a': 'b'}"),
        ({"StringEquals": {"aws:x": ["a", ["b"]]}}, ("StringEquals", "aws:x"), "['a', ['b']]"),
        ({"StringEquals": {"aws:x": 1227433179}}, ("StringEquals", "aws:x"), "1227433179"),
        ({"ForAnyValue:StringLike": {"aws:x": ["a", 1]}}, ("ForAnyValue:StringLike", "aws:x"), "StringLike"),
        ({"BinaryEquals": {"aws:x": 1}}, ("BinaryEquals", "aws:x"), "1"),
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
        {"StringEquals": {"s3:prefix": "a*"}},
        {"StringNotEquals": {"oidc.example:sub": "a*"}},
    ],
)
def test_a_wildcard_that_works_or_is_none(conditions: Any) -> None:
    assert [*condition_mistakes(conditions)] == []


# Characters


def test_characters_of_latin_1_and_keys() -> None:
    assert list(character_mistakes({"é\xff": ["\xa0", {"ß": "ÿ"}]})) == []
    assert places(character_mistakes({"a": [{"\u0100": "b"}]})) == [("a", 0, "\u0100")]
    assert list(condition_mistakes({"StringEquals": {"aws:PrincipalTag/\u0100": "x"}}))
    condition = {"StringEquals": {"aws:PrincipalTag/x": "\u0100"}}
    assert list(statement_mistakes({**TRUST, "Sid": "A", "Condition": condition}, trust=True))


# Values that are known later


def test_what_is_beside_an_output_is_checked() -> None:
    statement = {**STATEMENT, "Action": [OUTPUT, "GetObject"], "Resource": OUTPUT, "Effect": "allow"}
    assert places(document_mistakes(document(OUTPUT, statement))) == [
        ("Statement", 1, "Effect"),
        ("Statement", 1, "Action", 1),
    ]


# Partitions


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


def one_or_several(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(item, st.lists(item, min_size=1, max_size=3))


ACTIONS = st.from_regex(r"[a-z][a-z0-9-]{0,9}:[A-Za-z*?]{1,12}|\*", fullmatch=True)
RESOURCES = st.sampled_from(["*", "arn:aws:s3:::b/*", "arn:aws-cn:sqs:cn-north-1:1:q", "arn:*:s3:::${aws:x}"])
CONDITIONS = st.dictionaries(
    st.sampled_from(["StringLike", "ForAnyValue:StringEquals", "ArnLikeIfExists"]),
    st.dictionaries(st.sampled_from(["aws:x", "s3:prefix"]), one_or_several(st.text("ab*", max_size=3)), max_size=2),
    max_size=2,
)
STATEMENTS = st.builds(
    lambda fixed, action, resource, condition, actions, resources: {
        **fixed,
        action: actions,
        resource: resources,
        **condition,
    },
    st.sampled_from([{"Effect": "Allow"}, {"Effect": "Deny"}]),
    st.sampled_from(["Action", "NotAction"]),
    st.sampled_from(["Resource", "NotResource"]),
    st.one_of(st.just({}), CONDITIONS.map(lambda conditions: {"Condition": conditions})),
    one_or_several(ACTIONS),
    one_or_several(RESOURCES),
)
DOCUMENTS = one_or_several(STATEMENTS).map(lambda statements: {"Version": "2012-10-17", "Statement": statements})
KEYS = ("Effect", "Action", "Resource", "Condition", "Principal", "Sid", "Statement", "Version", "x")
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.just(OUTPUT), st.just("Allow")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=12,
)


def places_of(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places_of(item, (*place, key))


@given(DOCUMENTS)
def test_what_follows_the_grammar_has_no_mistake(document: dict[str, Any]) -> None:
    assert [*document_mistakes(document)] == []


@given(DOCUMENTS, st.data())
def test_an_output_in_any_place_is_no_mistake(document: dict[str, Any], data: st.DataObject) -> None:
    marked = copy.deepcopy(document)
    *path, last = data.draw(st.sampled_from([place for place in places_of(document) if place]))
    container: Any = marked
    for step in path:
        container = container[step]
    container[last] = OUTPUT
    assert [*document_mistakes(marked)] == []


@given(DOCUMENTS, st.data())
def test_every_element_that_is_needed_is_missed(document: dict[str, Any], data: st.DataObject) -> None:
    broken = copy.deepcopy(document)
    statements = broken["Statement"] if isinstance(broken["Statement"], list) else [broken["Statement"]]
    statement = data.draw(st.sampled_from(statements))
    del statement[data.draw(st.sampled_from([key for key in statement if key != "Condition"]))]
    assert len([*document_mistakes(broken)]) == 1


@given(ANYTHING)
def test_a_value_of_any_shape_is_judged(value: Any) -> None:
    found = [*statement_mistakes(value), *statement_mistakes(value, trust=True), *condition_mistakes(value)]
    if isinstance(value, dict):
        found += [*document_mistakes(value), *partition_mistakes(value, "aws")]
    known = set(places_of(value))
    for place, mistake in found:
        assert place in known or place[:-1] in known
        assert all((mistake.found, mistake.allowed, mistake.fix))
