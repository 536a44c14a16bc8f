import itertools
from fnmatch import fnmatchcase

from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa.evaluation.patterns import matches, overlap

TEXTS = st.text("ab.:\n\\", max_size=12)
ANY_PATTERNS = st.text("ab.:*?\n\\", max_size=12)


@given(ANY_PATTERNS, TEXTS)
@example("*a*b", "aab")
def test_wildcards_are_those_of_a_shell(pattern: str, text: str) -> None:
    assert matches(text, pattern) is fnmatchcase(text, pattern)


# Of two patterns this short that overlap, a text of this length matches both: each star stands for a part of the other.
SHORT_PATTERNS = st.text("ab*?", max_size=4)
ALL_TEXTS = ["".join(each) for length in range(8) for each in itertools.product("ab", repeat=length)]


@given(SHORT_PATTERNS, SHORT_PATTERNS)
@example("a*", "*b")
@example("*", "")
@settings(max_examples=200)
def test_two_patterns_overlap_where_a_text_matches_both(one: str, other: str) -> None:
    is_there = any(all(matches(text, each) for each in (one, other)) for text in ALL_TEXTS)
    assert overlap(one, other) is overlap(other, one) is is_there


def test_a_pattern_of_many_stars_is_matched_in_no_time() -> None:
    assert not matches("a" * 400, "*a" * 60 + "b")
