"""The table of what the official Kubernetes plugin of January 2026 does otherwise."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.layout import CHECKOUT
from tests.sandbox import official_differences
from tests.sandbox.conftest import pytest_pyfunc_call
from tests.sandbox.official_differences import DIFFERENCES, RECORDED, Difference

EXPECTED = Difference("test_creation", "is refused", RECORDED, "takes it over", "DID NOT RAISE")


def test_every_difference_is_that_of_a_test() -> None:
    sources = "".join(path.read_text() for path in (CHECKOUT / "tests").glob("**/sandbox/test_*.py"))
    assert DIFFERENCES
    for each in DIFFERENCES:
        assert re.search(rf"^def {re.escape(each.test.partition('[')[0])}\(", sources, re.MULTILINE), each.test


@pytest.mark.parametrize(
    ("official", "test", "failure", "outcome"),
    [
        ("built", "test_creation", ValueError("DID NOT RAISE"), pytest.xfail.Exception),
        ("built", "test_creation", pytest.fail.Exception("DID NOT RAISE"), pytest.xfail.Exception),
        ("built", "test_creation", ValueError("no connection"), AssertionError),
        ("built", "test_creation", None, pytest.fail.Exception),
        ("built", "test_update", ValueError("DID NOT RAISE"), ValueError),
        ("built", "test_update", None, StopIteration),
        ("", "test_creation", None, StopIteration),
        ("", "test_creation", ValueError("DID NOT RAISE"), ValueError),
    ],
)
def test_only_an_expected_difference_may_fail_and_must(
    monkeypatch: pytest.MonkeyPatch, official: str, test: str, failure: BaseException | None, outcome: Any
) -> None:
    monkeypatch.setenv("OFFICIAL", official)
    monkeypatch.setattr(official_differences, "DIFFERENCES", (EXPECTED,))
    item: Any = SimpleNamespace(name=test)
    call = pytest_pyfunc_call(item)
    next(call)
    with pytest.raises(outcome):
        call.send(None) if failure is None else call.throw(failure)
