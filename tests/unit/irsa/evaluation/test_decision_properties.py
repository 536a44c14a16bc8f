"""The order of the answers, against an independent statement in which every unknown is tried both ways."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, evaluate
from tests.unit.irsa.evaluation.page_example import AUD, AUDIENCE, REQUEST, SUB, SUBJECT, document, statement, under

# A condition of each truth value; what is unknown is the value of a key, so there is a request that makes it either.
CONDITIONS = {
    True: {"StringEquals": {SUB: SUBJECT}},
    False: {"StringEquals": {SUB: "another"}},
    None: {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
}


def decide(statements: tuple[tuple[str, bool], ...]) -> Decision:
    """State the documented order over booleans: a Deny that matches, else an Allow that matches, else denied."""
    if ("Deny", True) in statements:
        return Decision.DENIED
    return Decision.ALLOWED if ("Allow", True) in statements else Decision.DENIED


@given(st.lists(st.tuples(st.sampled_from(["Allow", "Deny"]), st.sampled_from([True, False, None])), max_size=5))
def test_cannot_decide_exactly_when_the_unknown_matters(statements: list[tuple[str, bool | None]]) -> None:
    trust = document(*(statement(effect, Condition=CONDITIONS[matched]) for effect, matched in statements))
    evaluation = evaluate(trust, REQUEST)
    worlds = product(*([True, False] if matched is None else [matched] for _, matched in statements))
    effects = [effect for effect, _ in statements]
    possible = {decide(tuple(zip(effects, world, strict=True))) for world in worlds}
    assert evaluation.decision is (possible.pop() if len(possible) == 1 else Decision.CANNOT_DECIDE)
    assert [(each.effect, each.matched) for each in evaluation.statements] == statements


@given(st.lists(st.sampled_from([True, False, None]), max_size=4))
def test_a_statement_matches_when_every_condition_does(outcomes: list[bool | None]) -> None:
    keys = {True: (AUD, AUDIENCE), False: (AUD, "another"), None: ("aws:SourceVpc", "vpc-1")}
    # A different operator each, as one object has each name once; all of them compare exactly here.
    operators = ["StringEquals", "StringLike", "StringEqualsIgnoreCase", "StringEqualsIfExists"]
    condition = {operator: dict([keys[outcome]]) for operator, outcome in zip(operators, outcomes, strict=False)}
    worlds = product(*([True, False] if outcome is None else [outcome] for outcome in outcomes))
    possible = {all(world) for world in worlds}
    expected = possible.pop() if len(possible) == 1 else None
    assert under(condition).statements[0].matched is expected
