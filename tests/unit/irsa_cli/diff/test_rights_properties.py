"""Who gains and who loses, against shell patterns: https://docs.python.org/3/library/fnmatch.html.

StringLike has the same `*` and `?`; neither brackets nor anything else is special in the names that are drawn here.
"""

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.irsa_cli.diff.previews import rights_of, role, step, trust, without_outputs

WORDS = st.text("abs", min_size=1, max_size=3)
NAMES = st.builds("{}:{}".format, WORDS, WORDS)
# What platform teams write: a whole namespace, names or namespaces with a beginning, and single ones.
PATTERNS = st.one_of(
    NAMES, *(st.builds(form.format, WORDS, WORDS) for form in ("{0}:*", "{0}:{1}*", "{0}*:*", "{0}*:{1}"))
)
SUBJECTS = st.lists(PATTERNS, min_size=1, max_size=4)


def admits(subjects: list[str], name: str) -> bool:
    return any(fnmatchcase(name, each) for each in subjects)


@given(SUBJECTS, SUBJECTS, st.sets(NAMES, max_size=6), NAMES)
def test_the_rights_are_those_of_the_patterns(
    before: list[str], after: list[str], live: set[str], anybody: str
) -> None:
    """Protects reviewers: who exists is listed if and only if it changes; who may exist one day is within a pattern."""
    documents = (without_outputs(role(trust(*after))), role(trust(*before)))
    found = rights_of(step("update", documents[1], documents[0]), live=sorted(live))

    for those, has, had in ((found.gains, after, before), (found.loses, before, after)):
        listed = {name for each in those for name in (each.service_account, *each.such_as)}
        wanted = {each for each in live if admits(has, each) and not admits(had, each)}
        assert {each.replace(":", "/") for each in wanted} == {each.replace(":", "/") for each in live} & {
            name.replace(":", "/") for name in listed
        }
        if admits(has, anybody) and not admits(had, anybody):
            assert any(fnmatchcase(anybody.replace(":", "/"), each.service_account) for each in those)


@given(SUBJECTS, SUBJECTS)
def test_back_is_the_other_way_round(before: list[str], after: list[str]) -> None:
    """Protects both lists alike: what one change gives, its reversal takes."""
    old, new = role(trust(*before)), role(trust(*after))
    there = rights_of(step("update", old, without_outputs(new)))
    back = rights_of(step("update", new, without_outputs(old)))

    assert (there.gains, there.loses) == (back.loses, back.gains)
