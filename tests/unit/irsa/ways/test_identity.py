import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.ways import parse_identity

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["irsa", "podIdentity", "used", "trusted"]) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=12), inner, max_size=2),
    max_leaves=4,
)


def test_the_short_words_are_mappings() -> None:
    assert parse_identity("irsa") == parse_identity({"irsa": "used"})
    assert parse_identity("podIdentity") == parse_identity({"podIdentity": "used"})
    assert parse_identity("both") == parse_identity({"podIdentity": "used", "irsa": "used"})


USES = ["used", "trusted", "absent"]


@pytest.mark.parametrize(("irsa", "pods"), [*itertools.product(USES, USES)][:-1])
def test_what_is_recorded_is_read_again(irsa: str, pods: str) -> None:
    recorded = {way: use for way, use in (("irsa", irsa), ("podIdentity", pods)) if use != "absent"}
    identity = parse_identity(recorded)
    assert identity.recorded == recorded
    assert [way.key for way in identity.used] == [way for way, use in recorded.items() if use == "used"]


@given(ANYTHING)
def test_anything_is_read_or_refused(value: Any) -> None:
    is_short = value in ("irsa", "both", "podIdentity")
    with contextlib.suppress(Mistake):
        assert parse_identity(value).recorded == value or is_short
        return
    assert not is_short


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("pod-identity", '"podIdentity"'),
        ("IRSA", '"irsa"'),
        ({"podidentity": "used"}, '"podIdentity"'),
        ({"irsa": "trust"}, '"trusted"'),
        ({"irsa": "absent", "podIdentity": "used"}, "leave it out"),
    ],
)
def test_what_is_nearly_right_is_named(value: Any, advice: str) -> None:
    with pytest.raises(Mistake) as raised:
        parse_identity(value)
    assert advice in raised.value.fix
