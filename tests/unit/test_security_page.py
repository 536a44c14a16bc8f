"""docs/security.md and SECURITY.md lead to each other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_says_how_to_report() -> None:
    report = (ROOT / "SECURITY.md").read_text()

    assert "../SECURITY.md" in (ROOT / "docs" / "security.md").read_text()
    assert "docs/security.md" in report
    assert "Report a vulnerability" in report
    # An address that nobody reads would be worse than none.
    assert not re.search(r"[\w.+-]+@[\w-]+\.\w", report)
