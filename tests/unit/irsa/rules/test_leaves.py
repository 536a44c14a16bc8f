import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.leaves import leaves, map_leaves
from irsa.rules.mistakes import Place
from irsa.rules.unknown import (
    OUTPUT,
    SECRET,
    WRONG,
    Unknown,
    checked_with,
    derive,
    has_output,
    has_unknown,
    is_output_marker,
    later,
    least,
    sources_of,
    text_of,
    without_places,
)
from irsa.rules.variables import with_examples
from tests.places import at, places

TEXTS = st.text("ab:", max_size=2)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(value=VALUES, data=st.data())
def test_markers_stand_at_the_places_and_nowhere_else(value: Any, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from([*places(value), ("z",), (9, "z"), ("a", 0, "z")]), max_size=3))
    marked = without_places(value, chosen)

    for place in places(value):
        outer = [each for each in chosen if place[: len(each)] == each]
        if outer:
            assert at(marked, min(outer, key=len)) is WRONG
        elif not any(each[: len(place)] == place for each in chosen):
            assert at(marked, place) == at(value, place)
    assert has_unknown(marked) is any(each in places(value) for each in chosen)


@given(value=VALUES, data=st.data())
def test_what_is_not_known_is_as_short_as_it_can_become(value: Any, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([*places(value)]))
    assert len(json.dumps(least(without_places(value, [place])))) <= len(json.dumps(value))


def test_a_value_of_several_parts_waits_for_the_last() -> None:
    first, second = (Unknown(OUTPUT.reason, [source]) for source in ("first", "second"))

    assert derive("{}/{}".format, "1", "2") == "1/2"
    for whole in (derive("{}/{}{}".format, [first], {"a": second}, first), *checked_with([first], "plain", second)):
        assert is_output_marker(whole)
        assert sources_of(whole) == ("first", "second")
    # What is known is shown at once, though it is checked with the rest.
    assert checked_with("plain", first) == "plain"
    never = derive("{}".format, SECRET)
    assert isinstance(never, Unknown)
    assert (is_output_marker(never), sources_of(never)) == (False, ())


def test_a_marker_keeps_what_is_written() -> None:
    marker = later("arn:${partition}:iam::${account}:policy/${aws:username}")
    assert repr([marker]) == "['arn:${partition}:iam::${account}:policy/${aws:username}']"
    assert text_of(marker) == marker.written
    assert [text_of(each) for each in ("x", OUTPUT, None, 5)] == ["x", "", "", ""]
    assert with_examples({"a": [marker, OUTPUT]}) == {"a": ["arn:aws:iam::111122223333:policy/${aws:username}", OUTPUT]}
    assert has_unknown([marker])
    assert not has_output([marker])


def test_only_an_output_is_one() -> None:
    assert [has_output({"a": [each]}) for each in (OUTPUT, SECRET, WRONG, "x")] == [True, False, False, False]


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
