"""What `irsa adopt` and an import prove to be the same, against an evaluation of each service account."""

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation.same_sessions import difference
from tests.unit.irsa.evaluation.page_example import AUD, AUDIENCE, SUB, document, statement
from tests.unit.irsa.evaluation.page_example import PROVIDER as BLUE
from tests.unit.irsa.evaluation.test_admission_properties import AUDIENCES, DOCUMENT, PROVIDER, SUBJECTS, best

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


def audiences_named(document: dict[str, Any]) -> list[str]:
    conditions = (keys for each in document["Statement"] for keys in each["Condition"].values())
    return [value for keys in conditions for key, values in keys.items() if key.endswith(":aud") for value in values]


@given(st.data(), DOCUMENT, st.none() | st.lists(st.sampled_from(AUDIENCES), min_size=1, max_size=2), st.booleans())
def test_the_proof_is_true(
    data: st.DataObject, before: dict[str, Any], client_ids: list[str] | None, is_tagged: bool
) -> None:
    if is_tagged:
        before = {**before, "Statement": [with_further(each, TAGGED) for each in before["Statement"]]}
    after = data.draw(in_other_words(before))
    live = data.draw(st.lists(st.sampled_from(SUBJECTS), max_size=12))
    found = difference(before, after, {PROVIDER: client_ids})
    event("different" if found else "the same")
    if not found:
        # Where it is not known what the provider lists, that may be whatever a condition names.
        tried = client_ids or [*AUDIENCES, *audiences_named(before), *audiences_named(after)]
        for each in live:
            assert best(before, each, tried) == best(after, each, tried)


def test_an_allow_that_goes_is_a_difference_beside_what_nobody_can_decide() -> None:
    """The attack: a Deny that cannot be decided, behind which a tidied trust policy lacks a plain Allow."""
    vpc, deny = with_further(ALLOW, VPC), {**with_further(ALLOW, TAGGED), "Effect": "Deny"}

    assert difference(document(ALLOW, vpc, deny), document(vpc, deny), {BLUE: [AUDIENCE]})


def test_a_condition_that_only_the_audience_that_is_tried_meets_is_a_difference() -> None:
    """The attack: an ARN is compared with `aud`, and of all audiences like it, that of no letters is tried."""
    before = statement(Condition={"StringLike": {AUD: "*:*:*:*:*:*"}})
    after = with_further(before, {"ArnLike": {AUD: ":::::"}})

    assert difference(document(before), document(after), {BLUE: None})


def test_an_audience_that_a_deny_takes_away_is_not_the_one_of_all() -> None:
    """The attack: whoever had the choice of audiences is left with one that is denied."""
    before = statement(Condition={"StringEquals": {SUB: "system:serviceaccount:a:x"}})
    deny = {**statement(Condition={"StringEquals": {AUD: AUDIENCE}}), "Effect": "Deny"}

    assert difference(document(before, deny), document(ALLOW, deny))
    assert difference(document(before), document(ALLOW)) == ""
