from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.variables import literal
from irsa_config.variables import replaced

texts = st.lists(
    st.sampled_from(("$", "{", "}", "a", ":", "${", "${a}", "${aws:x}", "${*}", "dollar")), max_size=8
).map("".join)
values = st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@given(values)
def test_filled_in_it_is_what_it_was(value: Any) -> None:
    assert replaced(literal(value, "dollar"), {"dollar": "$"}, []) == value


@given(texts)
def test_iams_variables_stay(text: str) -> None:
    if literal(text, "dollar") != text:
        assert "${" in text
