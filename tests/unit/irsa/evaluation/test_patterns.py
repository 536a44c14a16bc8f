import itertools
import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa.evaluation.kinds import OF_AUDIENCES, OF_SERVICE_ACCOUNTS, kinds
from irsa.evaluation.patterns import intersection, matches, overlap, pattern_of

PARTS = st.text("ab*?-", min_size=1, max_size=4)
PATTERNS = st.frozensets(st.builds("{}:{}".format, PARTS, PARTS), min_size=1, max_size=5)
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?:[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PIECES = ["".join(each) for length in (1, 2, 3) for each in itertools.product("abz-", repeat=length)]
SHORT = [text for pair in itertools.product(PIECES, repeat=2) if NAME.fullmatch(text := ":".join(pair))]


def matched(patterns: frozenset[str], text: str) -> frozenset[str]:
    return frozenset(each for each in patterns if fnmatchcase(text, each))


@given(PATTERNS)
def test_no_service_account_has_an_answer_of_its_own(patterns: frozenset[str]) -> None:
    ordered = sorted(patterns)
    found = kinds(tuple(map(tuple, ordered)), OF_SERVICE_ACCOUNTS)
    assert found is not None, "so few patterns cannot be too many"

    assert all(NAME.fullmatch(each) for each in found.texts)
    assert {matched(patterns, each) for each in SHORT} <= {matched(patterns, each) for each in found.texts}
    for kind, text in enumerate(found.texts):
        told = {each for each, those in zip(ordered, found.matching, strict=True) if those >> kind & 1}
        assert told == matched(patterns, text)


@given(st.frozensets(st.text("aZ/:*", min_size=1, max_size=4), min_size=1, max_size=4), st.text("aZ/:q", min_size=1))
def test_no_audience_has_an_answer_of_its_own(patterns: frozenset[str], audience: str) -> None:
    found = kinds(tuple(map(tuple, sorted(patterns))), OF_AUDIENCES)
    assert found is not None

    assert matched(patterns, audience) in {matched(patterns, each) for each in found.texts}


def test_patterns_that_combine_in_too_many_ways() -> None:
    """The attack: a trust policy that keeps irsa busy for hours."""
    patterns = (f"*:*{'?' * size}{letter}*" for size, letter in enumerate("abcdefghijklmnopqrstuv"))

    assert kinds(tuple(map(tuple, patterns)), OF_SERVICE_ACCOUNTS) is None


@pytest.mark.parametrize("longest", [63, 64])
def test_no_name_is_longer_than_kubernetes_takes(longest: int) -> None:
    """Protects the answer "nobody": https://kubernetes.io/docs/concepts/overview/working-with-objects/names/."""
    found = kinds((tuple("?" * longest + "*:a"),), OF_SERVICE_ACCOUNTS)

    assert found is not None
    assert (found.matching[0] > 0) is (longest == 63)


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
