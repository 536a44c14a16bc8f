"""Texts that stand for all others with the same answer of every pattern, against every name of a small alphabet."""

import itertools
import re
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.diff.representatives import AUDIENCE, SERVICE_ACCOUNT, representatives

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
    """Protects reviewers: whatever combination of patterns somebody meets, it is tried with a name that may exist."""
    found = representatives(patterns, SERVICE_ACCOUNT)
    assert found is not None, "so few patterns cannot be too many"
    known = {matched(patterns, each) for each in found}

    assert all(NAME.fullmatch(each) for each in found)
    if any("*" in each or "?" in each for each in patterns):
        assert {matched(patterns, each) for each in SHORT} <= known


@given(st.frozensets(st.text("aZ/:*", min_size=1, max_size=4), min_size=1, max_size=4), st.text("aZ/:q", min_size=1))
def test_no_audience_has_an_answer_of_its_own(patterns: frozenset[str], audience: str) -> None:
    """Protects reviewers: an audience may be any text, such as a URL."""
    found = representatives(patterns, AUDIENCE)
    assert found is not None

    if any("*" in each for each in patterns):
        assert matched(patterns, audience) in {matched(patterns, each) for each in found}


def test_patterns_that_combine_in_too_many_ways() -> None:
    """The attack: a trust policy that keeps irsa busy for hours."""
    patterns = frozenset(f"*:*{'?' * size}{letter}*" for size, letter in enumerate("abcdefghijklmnopqrstuv"))

    assert representatives(patterns, SERVICE_ACCOUNT) is None
