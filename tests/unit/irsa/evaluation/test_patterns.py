"""What * and ? match."""

import pytest

from irsa.evaluation.patterns import matches, pattern_of


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "anything", True),
        ("?", "", False),
        ("?", "a", True),
        ("?", "ab", False),
        ("a*", "a", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("*a", "ab", False),
        ("a*b", "aXbXb", True),
        ("a**b", "ab", True),
        ("a?*", "a", False),
        ("*?", "a", True),
        ("ab", "a", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("a*", "a\nb", True),
    ],
)
def test_a_star_is_any_number_of_characters_and_a_question_mark_one(pattern: str, text: str, expected: bool) -> None:
    """Protects the page on StringLike: "multi-character match wildcards (*) and single-character match (?)".

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    assert matches(text, pattern) is expected


def test_a_wildcard_is_a_plain_character_where_it_is_none() -> None:
    plain = pattern_of("a*?", wildcards=False)

    assert matches("a*?", plain)
    assert not matches("abc", plain)
    assert matches("abc", pattern_of("a*?", wildcards=True))


def test_a_pattern_of_many_stars_is_matched_in_no_time() -> None:
    assert not matches("a" * 400, pattern_of("*a" * 60 + "b", wildcards=True))
