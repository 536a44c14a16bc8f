import re

from sandbox.layout import CHECKOUT
from tests.sandbox.official_differences import DIFFERENCES


def test_every_difference_is_that_of_a_test() -> None:
    sources = "".join(path.read_text() for path in (CHECKOUT / "tests").glob("**/sandbox/test_*.py"))
    assert DIFFERENCES
    for each in DIFFERENCES:
        assert re.search(rf"^def {re.escape(each.partition('[')[0])}\(", sources, re.MULTILINE), each
