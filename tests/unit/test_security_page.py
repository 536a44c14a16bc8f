"""docs/security.md: what it claims is tested."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
# The rows of the page's tables, without their headings.
CLAIMS = [row for row in re.findall(r"^\| (.*) \|$", PAGE, re.MULTILINE) if not row.startswith("irsa protects against")]


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_each_named_test_exists(file: str, test: str) -> None:
    """Protects readers of the page: a claim whose test was renamed or removed is a claim no more."""
    functions = [node for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)]
    (function,) = [each for each in functions if each.name == test]

    assert ast.get_docstring(function)


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_claim_names_its_test(claim: str) -> None:
    """Protects readers of the page: nothing is claimed that no test would miss."""
    words, _, tests = claim.rpartition(" | ")

    assert words
    assert re.fullmatch(r"`tests/[\w/]+\.py::\w+`(, `tests/[\w/]+\.py::\w+`)*", tests)


def test_the_page_says_how_to_report() -> None:
    """Protects reporters: the page about claims and the page about reporting lead to each other."""
    report = (ROOT / "SECURITY.md").read_text()

    assert "../SECURITY.md" in PAGE
    assert "docs/security.md" in report
    assert "Report a vulnerability" in report
    # An address that nobody reads would be worse than none.
    assert not re.search(r"[\w.+-]+@[\w-]+\.\w", report)
