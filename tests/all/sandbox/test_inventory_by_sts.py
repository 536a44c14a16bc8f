"""`irsa inventory` must agree with STS, which knows nothing of it and is asked for every pair."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox import estate
from tests.sandbox.estate import AUDIENCE, OWN_AUDIENCE
from tests.sandbox.sessions import admitted, all_service_accounts, tokens
from tests.sandbox.test_inventory import BEYOND_THE_SANDBOX, given, inventory, pairs

pytestmark = pytest.mark.sandbox


@pytest.fixture
def planted(cloud: Any) -> Iterator[Any]:
    estate.make(cloud)
    yield cloud
    estate.remove(cloud)


def test_it_agrees_with_the_answers_of_sts(planted: Any) -> None:
    _, report = inventory(planted)
    of = tokens(planted, all_service_accounts(planted.kubernetes()), (AUDIENCE, OWN_AUDIENCE))
    sessions = admitted(planted, of, estate.trust_policies(planted))

    assert sessions == given(report)
    assert {(account, arn) for account, _, arn in sessions} == {
        pair for pair in pairs(report) if pair[1] not in BEYOND_THE_SANDBOX
    }
    assert {arn for _, arn in pairs(report)} >= BEYOND_THE_SANDBOX
