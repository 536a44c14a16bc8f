from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.leaves import leaves, map_leaves
from irsa.rules.mistakes import Place
from tests.places import at, places

TEXTS = st.text("ab:", max_size=2)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(value=VALUES)
def test_each_leaf_and_each_key_is_found_once_where_it_is(value: Any) -> None:
    inner = [place for place in places(value) if not isinstance(at(value, place), dict | list)]
    keys = [place for place in places(value) if place and isinstance(at(value, place[:-1]), dict)]

    found = list(leaves(value))
    assert sorted([place for place, _ in found], key=str) == sorted([*inner, *keys], key=str)
    assert all(leaf == at(value, place) or leaf == place[-1] for place, leaf in found)


@given(value=VALUES)
def test_a_copy_has_the_same_shape(value: Any) -> None:
    seen: list[Place] = []

    def same(place: Place, leaf: Any) -> Any:
        seen.append(place)
        return leaf

    copy = map_leaves(value, same)
    assert copy == value
    assert str(copy) == str(value)
    assert seen == [place for place in places(value) if not isinstance(at(value, place), dict | list)]


def test_keys_are_replaced_where_it_is_asked() -> None:
    assert map_leaves({"a": [{"b": 1}]}, lambda _, leaf: leaf, lambda place, _: ".".join(map(str, place))) == {
        "a": [{"a.0.b": 1}]
    }
    assert [place for place, _ in leaves({5: {None: (True,)}, object(): "x"})] == [
        *(("5",), ("5", "None"), ("5", "None", 0)),
        *(("object",), ("object",)),
    ]
