"""The calls that add-ons make, by their source, on their own resources and on others: what irsa.evaluation decides."""

import pytest

from tests.unit.irsa.add_ons.every_add_on import CALLS, allowed, calls, policy_of_calls

NAMES = sorted(each.stem for each in CALLS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_an_add_on_may_do_what_it_does_on_its_own(name: str) -> None:
    for call in calls(name):
        assert allowed(policy_of_calls(call.add_on), *call.request) is call.allowed, call.name


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_is_there_for_a_call(name: str) -> None:
    policy = policy_of_calls(name)
    for index, statement in enumerate(policy["Statement"]):
        others = {**policy, "Statement": [each for at, each in enumerate(policy["Statement"]) if at != index]}
        denied = [each for each in calls(name) if each.allowed and not allowed(others, *each.request)]
        assert denied, statement
