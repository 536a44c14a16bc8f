"""What `irsa adopt` and an import prove to be the same, against an evaluation of each service account."""

import itertools
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation.same_sessions import difference
from tests.unit.irsa.evaluation.page_example import AUD, AUDIENCE, SUB, document, statement
from tests.unit.irsa.evaluation.test_admission_properties import AUDIENCES, DOCUMENT, SUBJECTS, best

ALLOW = statement(Condition={"StringEquals": {AUD: AUDIENCE, SUB: "system:serviceaccount:a:x"}})
VPC = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
TAGGED = {"StringEquals": {"aws:SourceVpc": "${aws:PrincipalTag/vpc}"}}


def with_further(found: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    condition = {operator: dict(keys) for operator, keys in found["Condition"].items()}
    for operator, keys in further.items():
        condition.setdefault(operator, {}).update(keys)
    return {**found, "Condition": condition}


@st.composite
def in_other_words(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document that may mean the same, or nearly so."""
    found: list[dict[str, Any]] = []
    for each in draw(st.permutations(document["Statement"])):
        block = {operator: dict(keys) for operator, keys in each["Condition"].items()}
        operator, key = next(((op, key) for op, keys in block.items() for key in keys), ("", ""))
        values = block[operator][key] if key else []
        if len(values) > 1 and draw(st.booleans()):
            parts = (values[:1], values[1:])
            found += [{**each, "Condition": {**block, operator: {**block[operator], key: one}}} for one in parts]
        elif operator == "StringEquals" and "StringLike" not in block and draw(st.booleans()):
            found.append(
                {**each, "Condition": {("StringLike" if op == operator else op): v for op, v in block.items()}}
            )
        else:
            found.append(each | ({"Sid": "Same"} if draw(st.booleans()) and len(found) == 0 else {}))
    return {**document, "Statement": found}


@given(st.data(), DOCUMENT, st.booleans())
def test_the_proof_is_true(data: st.DataObject, before: dict[str, Any], is_tagged: bool) -> None:
    if is_tagged:
        before = {**before, "Statement": [with_further(each, TAGGED) for each in before["Statement"]]}
    after = data.draw(in_other_words(before))
    live = data.draw(st.lists(st.sampled_from(SUBJECTS), max_size=12))
    found = difference(before, after)
    event("different" if found else "the same")
    if not found:
        for each, audience in itertools.product(live, AUDIENCES):
            assert best(before, each, [audience]) == best(after, each, [audience])


def test_an_allow_that_goes_is_a_difference_beside_what_nobody_can_decide() -> None:
    """The attack: a Deny that cannot be decided, behind which a tidied trust policy lacks a plain Allow."""
    vpc, deny = with_further(ALLOW, VPC), {**with_further(ALLOW, TAGGED), "Effect": "Deny"}

    assert difference(document(ALLOW, vpc, deny), document(vpc, deny))


ANY_AUDIENCE = statement(Condition={"StringEquals": {SUB: "system:serviceaccount:a:x"}})


@pytest.mark.parametrize(
    ("before", "added"),
    [
        # Without a condition on `aud`, every audience that the provider lists is taken.
        (ALLOW, ANY_AUDIENCE),
        (with_further(ALLOW, VPC), ALLOW),
        (statement(Condition={"StringEquals": {AUD: [AUDIENCE]}}), statement(Condition={"StringLike": {AUD: "*"}})),
        (statement(Condition={"StringNotEquals": {AUD: "x"}}), statement(Condition={"StringEquals": {AUD: AUDIENCE}})),
        (statement("Deny", Condition=VPC), statement("Deny", Condition={})),
    ],
)
def test_what_a_wider_statement_says_is_said_only_where_it_was(before: dict[str, Any], added: dict[str, Any]) -> None:
    """The attack: a statement that goes, or comes, behind one that looks as if it said as much."""
    assert difference(document(before), document(added, before))
    assert difference(document(added), document(before))


def test_what_a_statement_with_fewer_conditions_says_may_be_said_twice() -> None:
    """Protects `irsa adopt`, which keeps a wide statement word for word beside the one that irsa writes."""
    assert difference(document(ALLOW), document(ALLOW, with_further(ALLOW, VPC))) == ""
