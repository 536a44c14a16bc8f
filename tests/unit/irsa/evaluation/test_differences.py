import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation.differences import differences
from irsa.rules.mistakes import Mistake

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
# The page's trust policy, with two accounts in it.
TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:aud": "sts.amazonaws.com",
                    f"{ISSUER}:sub": ["system:serviceaccount:default:one", "system:serviceaccount:default:two"],
                }
            },
        }
    ],
}


def changed(**elements: Any) -> dict[str, Any]:
    document = copy.deepcopy(TRUST)
    document["Statement"][0].update(elements)
    return document


def with_condition(condition: Any) -> dict[str, Any]:
    return changed(Condition=condition)


@pytest.mark.parametrize(
    "live",
    [
        json.dumps(TRUST, indent=2),
        {**TRUST, "Statement": TRUST["Statement"][0]},
        {**TRUST, "Statement": TRUST["Statement"] * 2},
        {**TRUST, "Id": "written-by-the-console"},
        changed(Sid="Trust"),
        changed(Action=["sts:AssumeRoleWithWebIdentity"]),
        changed(Action="STS:assumeRoleWithWebIdentity"),
        changed(Principal={"Federated": [f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"]}),
        with_condition(
            {
                "StringEquals": {
                    f"{ISSUER}:SUB": ["system:serviceaccount:default:two", "system:serviceaccount:default:one"],
                    f"{ISSUER}:aud": ["sts.amazonaws.com"],
                }
            }
        ),
    ],
)
def test_what_means_the_same(live: Any) -> None:
    assert differences(TRUST, live) == []


def test_an_accounts_number_is_its_root() -> None:
    declared = changed(Principal={"AWS": "111122223333"})

    assert differences(declared, changed(Principal={"AWS": "arn:aws:iam::111122223333:root"})) == []
    assert differences(declared, changed(Principal={"AWS": 111122223333})) == []
    assert differences(changed(Principal="*"), changed(Principal={"AWS": "*"})) == []


@pytest.mark.parametrize(
    ("live", "place"),
    [
        (changed(Effect="Deny"), "Statement.Effect"),
        (changed(Principal="*"), "Statement.Principal.AWS"),
        (changed(Action=["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"]), "Statement.Action"),
        (with_condition({}), f"Statement.Condition.StringEquals.{ISSUER}:aud"),
        (
            with_condition({"StringLike": TRUST["Statement"][0]["Condition"]["StringEquals"]}),
            "Statement.Condition.StringLike",
        ),
        (with_condition({"StringEquals": {f"{ISSUER}:aud": "STS.amazonaws.com"}}), f"StringEquals.{ISSUER}:sub"),
        ({**TRUST, "Version": "2008-10-17"}, "Version"),
        ({"Statement": TRUST["Statement"]}, "Version"),
    ],
)
def test_what_does_not_mean_the_same(live: Any, place: str) -> None:
    assert any(place in found.place for found in differences(TRUST, live))


@pytest.mark.parametrize("everybody", ["*", ["*", "arn:aws:iam::111122223333:root"]])
def test_everybody_that_is_left_beside_another_is_found(everybody: Any) -> None:
    named = {"AWS": "arn:aws:iam::111122223333:root"}
    declared, live = changed(Principal=named), changed(Principal={"AWS": everybody})

    assert any("Statement.Principal.AWS" in found.place for found in differences(declared, live))
    both = changed(Principal={"Federated": TRUST["Statement"][0]["Principal"]["Federated"], "AWS": "*"})
    assert differences(TRUST, both)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a policy document"),
        ('{"Statement": 1' + "0" * 5_000 + "}", "digits"),
        ('{"Statement": [], "Statement": []}', "twice"),
        ({**TRUST, "Statement": "Allow"}, 'a statement: "Allow"'),
        (changed(Principal="111122223333"), 'Principal: "111122223333"'),
        (changed(NotPrincipal=["*"]), "Principal: "),
        (with_condition(None), "Condition: null"),
        (with_condition({"StringEquals": f"{ISSUER}:aud"}), "Condition.StringEquals: "),
    ],
)
def test_what_is_no_policy_document_is_a_mistake(odd: Any, words: str) -> None:
    for which, pair in (("declared", (odd, TRUST)), ("live", (TRUST, odd))):
        with pytest.raises(Mistake) as mistake:
            differences(*pair)
        assert f"the {which} document: " in mistake.value.found
        assert words in mistake.value.found


_NAMES = st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "s3:Get*"])
_TEXTS = st.lists(st.sampled_from(["a", "b", "c*"]), min_size=1, max_size=3, unique=True)
_STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(_NAMES, min_size=1, max_size=3, unique=True),
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


@given(st.lists(_STATEMENTS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_writing_it_in_another_way_changes_nothing(statements: list[Any], order: random.Random) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}

    assert differences(document, {**document, "Statement": shuffled(statements, order)}) == []


@given(st.lists(_STATEMENTS, min_size=1, max_size=4), _STATEMENTS)
def test_a_statement_that_is_not_there_is_always_told(statements: list[Any], further: Any) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}
    wider = {**document, "Statement": [*statements, {**further, "Resource": ["only-here"]}]}

    assert differences(document, wider)
    assert differences(wider, document)


def test_two_spellings_of_one_key_are_two_conditions() -> None:
    sub = "system:serviceaccount:default:one"
    both = {"StringLike": {f"{ISSUER}:sub": [sub], f"{ISSUER}:SUB": ["system:serviceaccount:*"]}}
    turned = {"StringLike": dict(reversed(both["StringLike"].items()))}
    same = {"StringLike": {f"{ISSUER}:sub": sub, f"{ISSUER}:SUB": sub}}
    for one in (sub, "system:serviceaccount:*"):
        single = {"StringLike": {f"{ISSUER}:sub": one}}
        assert differences(with_condition(both), with_condition(single))
        assert differences(with_condition(single), with_condition(both))
    assert differences(with_condition(both), with_condition(turned)) == []
    assert differences(with_condition(same), with_condition({"StringLike": {f"{ISSUER}:sub": sub}})) == []
