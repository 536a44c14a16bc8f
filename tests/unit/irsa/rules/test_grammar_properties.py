import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.grammar import condition_mistakes, document_mistakes, partition_mistakes, statement_mistakes
from irsa.rules.mistakes import Place
from irsa.rules.unknown import OUTPUT


def one_or_several(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(item, st.lists(item, min_size=1, max_size=3))


ACTIONS = st.from_regex(r"[a-z][a-z0-9-]{0,9}:[A-Za-z*?]{1,12}|\*", fullmatch=True)
RESOURCES = st.sampled_from(["*", "arn:aws:s3:::b/*", "arn:aws-cn:sqs:cn-north-1:1:q", "arn:*:s3:::${aws:x}"])
CONDITIONS = st.dictionaries(
    st.sampled_from(["StringLike", "ForAnyValue:StringEquals", "ArnLikeIfExists"]),
    st.dictionaries(st.sampled_from(["aws:x", "s3:prefix"]), one_or_several(st.text("ab*", max_size=3)), max_size=2),
    max_size=2,
)
STATEMENTS = st.builds(
    lambda fixed, action, resource, condition, actions, resources: {
        **fixed,
        action: actions,
        resource: resources,
        **condition,
    },
    st.sampled_from([{"Effect": "Allow"}, {"Effect": "Deny"}]),
    st.sampled_from(["Action", "NotAction"]),
    st.sampled_from(["Resource", "NotResource"]),
    st.one_of(st.just({}), CONDITIONS.map(lambda conditions: {"Condition": conditions})),
    one_or_several(ACTIONS),
    one_or_several(RESOURCES),
)
DOCUMENTS = one_or_several(STATEMENTS).map(lambda statements: {"Version": "2012-10-17", "Statement": statements})
KEYS = ("Effect", "Action", "Resource", "Condition", "Principal", "Sid", "Statement", "Version", "x")
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.just(OUTPUT), st.just("Allow")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=12,
)


def places_of(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places_of(item, (*place, key))


@given(DOCUMENTS)
def test_what_follows_the_grammar_has_no_mistake(document: dict[str, Any]) -> None:
    assert [*document_mistakes(document)] == []


@given(DOCUMENTS, st.data())
def test_an_output_in_any_place_is_no_mistake(document: dict[str, Any], data: st.DataObject) -> None:
    marked = copy.deepcopy(document)
    *path, last = data.draw(st.sampled_from([place for place in places_of(document) if place]))
    container: Any = marked
    for step in path:
        container = container[step]
    container[last] = OUTPUT
    assert [*document_mistakes(marked)] == []


@given(DOCUMENTS, st.data())
def test_every_element_that_is_needed_is_missed(document: dict[str, Any], data: st.DataObject) -> None:
    broken = copy.deepcopy(document)
    statements = broken["Statement"] if isinstance(broken["Statement"], list) else [broken["Statement"]]
    statement = data.draw(st.sampled_from(statements))
    del statement[data.draw(st.sampled_from([key for key in statement if key != "Condition"]))]
    assert len([*document_mistakes(broken)]) == 1


@given(ANYTHING)
def test_a_value_of_any_shape_is_judged(value: Any) -> None:
    found = [*statement_mistakes(value), *statement_mistakes(value, trust=True), *condition_mistakes(value)]
    if isinstance(value, dict):
        found += [*document_mistakes(value), *partition_mistakes(value, "aws")]
    known = set(places_of(value))
    for place, mistake in found:
        assert place in known or place[:-1] in known
        assert all((mistake.found, mistake.allowed, mistake.fix))
