"""Wildcards against a matcher of another kind, and against Python's own."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from irsa.evaluation.patterns import matches, pattern_of
from tests.unit.irsa.evaluation.glob_oracle import glob

TEXTS = st.text("ab.\n", max_size=8)
PATTERNS = st.text("ab.*?", max_size=8)


@given(PATTERNS, TEXTS)
@example("*a*b", "aab")
def test_wildcards_agree_with_two_other_matchers(pattern: str, text: str) -> None:
    """Protects StringLike: one walk over the text agrees with a search of all positions, and with Python's engine."""
    translated = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    expected = re.fullmatch(translated, text, re.DOTALL) is not None
    assert glob(pattern, text) is expected
    assert matches(text, pattern_of(pattern, wildcards=True)) is expected
