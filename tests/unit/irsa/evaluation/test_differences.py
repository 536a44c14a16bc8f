import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation.differences import differences
from irsa.rules.mistakes import Mistake
from tests.unit.irsa.evaluation.page_example import AUD, AUDIENCE, HOST_PATH, PROVIDER, SUB, document, statement

ROOT = "arn:aws:iam::111122223333:root"
ONE, TWO = (f"system:serviceaccount:default:{name}" for name in ("one", "two"))


def changed(**elements: Any) -> dict[str, Any]:
    """Return AWS's page's trust policy with two service accounts, and some elements changed."""
    return document(statement(**{"Condition": {"StringEquals": {AUD: AUDIENCE, SUB: [ONE, TWO]}}, **elements}))


TRUST = changed()


def with_sub(**subjects: Any) -> dict[str, Any]:
    return changed(Condition={"StringLike": {f"{HOST_PATH}:{key}": value for key, value in subjects.items()}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TRUST, json.dumps(TRUST, indent=2)),
        (TRUST, {**TRUST, "Statement": TRUST["Statement"] * 2}),
        (TRUST, {**TRUST, "Id": "written-by-the-console"}),
        (TRUST, changed(Sid="Trust")),
        (TRUST, changed(Action="STS:assumeRoleWithWebIdentity")),
        (changed(Principal={"AWS": "111122223333"}), changed(Principal={"AWS": ROOT})),
        (changed(Principal={"AWS": "111122223333"}), changed(Principal={"AWS": 111122223333})),
        (changed(Principal="*"), changed(Principal={"AWS": "*"})),
        (with_sub(sub=ONE, SUB=TWO), with_sub(SUB=TWO, sub=ONE)),
        (with_sub(sub=ONE, SUB=ONE), with_sub(sub=[ONE])),
    ],
)
def test_what_means_the_same(one: Any, other: Any) -> None:
    assert differences(one, other) == []


@pytest.mark.parametrize(
    ("declared", "live", "place"),
    [
        (TRUST, changed(Effect="Deny"), "Statement.Effect"),
        (TRUST, changed(Principal="*"), "Statement.Principal.AWS"),
        (TRUST, changed(Principal={"Federated": PROVIDER, "AWS": "*"}), "Principal"),
        (changed(Principal={"AWS": ROOT}), changed(Principal={"AWS": ["*", ROOT]}), "Statement.Principal.AWS"),
        (TRUST, changed(Action=["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"]), "Statement.Action"),
        (TRUST, changed(Condition={}), f"Statement.Condition.StringEquals.{HOST_PATH}:aud"),
        (TRUST, with_sub(sub=[ONE, TWO]), "Statement.Condition.String"),
        (TRUST, {"Statement": TRUST["Statement"]}, "Version"),
        # Two spellings of a key are two conditions.
        (with_sub(sub=ONE, SUB="system:serviceaccount:*"), with_sub(sub=ONE), "Condition"),
        # The attack: a principal around the ARN of an account, which was read as the account's number within it.
        (changed(Principal={"AWS": "x111122223333"}), changed(Principal={"AWS": f"x{ROOT}"}), "Principal"),
        (changed(Principal={"AWS": "111122223333/x"}), changed(Principal={"AWS": f"{ROOT}/x"}), "Principal"),
    ],
)
def test_what_does_not_mean_the_same(declared: Any, live: Any, place: str) -> None:
    assert any(place in found.place for found in differences(declared, live))
    assert differences(live, declared)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("{", "not JSON"),
        ('{"Statement": 1' + "0" * 5_000 + "}", "digits"),
        ({**TRUST, "Statement": "Allow"}, 'a statement: "Allow"'),
        (changed(NotPrincipal=["*"]), "Principal: "),
        (changed(Condition={"StringEquals": f"{HOST_PATH}:aud"}), "Condition.StringEquals: "),
    ],
)
def test_what_is_no_policy_document_is_a_mistake(odd: Any, words: str) -> None:
    for which, pair in (("declared", (odd, TRUST)), ("live", (TRUST, odd))):
        with pytest.raises(Mistake) as mistake:
            differences(*pair)
        assert f"the {which} document: " in mistake.value.found
        assert words in mistake.value.found


@pytest.mark.parametrize(
    ("declared", "live", "expected", "found"),
    [
        ({"Resource": ["a", "b"]}, {"Resource": ["b"]}, "a, b", "b"),
        ({"Resource": ["a, b"]}, {"Resource": ["'a", "b'"]}, '"a, b"', """"'a", "b'\""""),
        ({"Resource": ["a", "b"]}, {"Resource": ["a, b"]}, "a, b", '"a, b"'),
        ({"Resource": []}, {"Resource": [""]}, "[]", '""'),
        ({"Condition": {"StringEquals": {"k": []}}}, {"Condition": {"StringEquals": {"k": ""}}}, "[]", '""'),
    ],
)
def test_what_reads_alike_is_quoted(declared: dict[str, Any], live: dict[str, Any], expected: str, found: str) -> None:
    """The attack: a live policy that is another one, and of which `irsa verify` said that it is the declared one."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}
    one, other = ({"Version": "2012-10-17", "Statement": [{**statement, **each}]} for each in (declared, live))
    for sides, texts in (((one, other), (found, expected)), ((other, one), (expected, found))):
        (difference,) = differences(*sides)
        assert (difference.found, difference.expected) == texts


def test_what_reads_alike_is_shown_whole() -> None:
    """The attack: a live policy that differs only in a mapping of nothing, which has no place of its own."""
    without = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    nothing = {"Statement": [{**without["Statement"][0], "Principal": {}}]}
    found = differences(nothing, without)
    assert [(each.place, "Allow" in each.found, "Allow" in each.expected) for each in found] == [
        ("Statement", False, True),
        ("Statement", True, False),
    ]


_TEXTS = st.lists(st.sampled_from(["a", "b", "c*"]), min_size=1, max_size=3, unique=True)
_STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(st.sampled_from(["s3:GetObject", "sqs:SendMessage", "s3:Get*"]), min_size=1, unique=True),
        "Resource": _TEXTS,
    },
    optional={
        "Condition": st.dictionaries(
            st.sampled_from(["StringEquals", "StringLike"]),
            st.dictionaries(st.sampled_from(["aws:PrincipalTag/team", "aws:SourceVpc"]), _TEXTS, min_size=1),
            min_size=1,
        )
    },
)


def shuffled(value: Any, order: random.Random) -> Any:
    """Write the same in another way: other order, a list of one as a text."""
    if isinstance(value, dict):
        items = [(key, shuffled(each, order)) for key, each in value.items()]
        order.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        values = [shuffled(each, order) for each in value]
        order.shuffle(values)
        return values[0] if len(values) == 1 and order.random() < 0.5 else values
    return value


@given(st.lists(_STATEMENTS, min_size=1, max_size=4), _STATEMENTS, st.randoms(use_true_random=False))
def test_writing_it_in_another_way_changes_nothing(statements: list[Any], further: Any, order: random.Random) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}
    assert differences(document, {**document, "Statement": shuffled(statements, order)}) == []

    wider = {**document, "Statement": [*statements, {**further, "Resource": ["only-here"]}]}
    assert differences(document, wider)
    assert differences(wider, document)
