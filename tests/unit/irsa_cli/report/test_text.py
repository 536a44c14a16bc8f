"""What the reports for a terminal share."""

import pytest

from irsa_cli.report.text import counted


@pytest.mark.parametrize(("count", "words"), [(0, "0 errors"), (1, "1 error"), (2, "2 errors")])
def test_a_number_of_things(count: int, words: str) -> None:
    """Protects the summaries' grammar."""
    assert counted(count, "error") == words
