import itertools
from fnmatch import fnmatchcase

from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa.evaluation.patterns import intersection, matches, overlap, pattern_of

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
def test_the_intersection_of_two_patterns_is_what_both_match(one: str, other: str) -> None:
    texts = [text for text in ALL_TEXTS if text]
    both = {text for text in texts if all(matches(text, each) for each in (one, other))}
    globs = [each.removesuffix(":x") for each in intersection([f"{one}:x"], [f"{other}:x"])]
    found = {text for text in texts if any(matches(text, each) for each in globs)}

    assert found == both
    assert (
        overlap(one, other)
        is overlap(other, one)
        is any(all(matches(text, each) for each in (one, other)) for text in ALL_TEXTS)
    )


def test_a_pattern_of_many_stars_is_matched_in_no_time() -> None:
    assert not matches("a" * 400, pattern_of("*a" * 60 + "b", wildcards=True))
