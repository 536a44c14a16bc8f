"""Whether a Pod has no identity, in Python, as the policies say it in CEL to a real API server."""

import pytest

from irsa_cli.guard.pods import has_no_identity
from tests.sandbox.test_guard_pods import CASES, Case


@pytest.mark.parametrize("case", [each for each in CASES if each.title != "undeclared"], ids=lambda case: case.title)
def test_both_say_the_same(case: Case) -> None:
    """Protects `irsa check --live` from another rule than the guard's: of its table, the same Pods are refused."""
    assert has_no_identity(case.pod) == bool(case.missing)
