"""The table of what the official Kubernetes plugin of January 2026 does otherwise."""

import re

from sandbox.layout import CHECKOUT
from tests.sandbox.official_differences import DIFFERENCES


def test_the_page_has_the_table_of_the_tests() -> None:
    """Protects the page: it lists every difference that is expected, in its words, and no other."""
    page = (CHECKOUT / "docs" / "sandbox.md").read_text()
    table = page.partition("| recorded with 4.34 |")[2].partition("\n\n")[0].splitlines()[2:]
    assert table == [f"| {each.recorded} | {each.built} |" for each in DIFFERENCES]


def test_every_difference_is_that_of_a_test() -> None:
    """Protects from an entry that nothing checks: its test was renamed, or its parameters were."""
    sources = "".join(path.read_text() for path in (CHECKOUT / "tests" / "sandbox").glob("test_*.py"))
    assert DIFFERENCES
    for each in DIFFERENCES:
        assert re.search(rf"^def {re.escape(each.test.partition('[')[0])}\(", sources, re.MULTILINE), each.test
