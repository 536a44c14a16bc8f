import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.irsa.evaluation.glob_oracle import glob
from tests.unit.irsa.evaluation.page_example import (
    only_reason,
    under,
)

# Few letters, so that patterns and values meet often; upper case for the operators that ignore it.
VALUES = st.text("abA:*?", max_size=7)
WANTED = st.lists(VALUES, min_size=1, max_size=3)
SAME: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: re.fullmatch(re.escape(wanted), found, re.IGNORECASE) is not None,
    "StringLike": lambda found, wanted: glob(wanted, found),
}
NEGATIONS = {name.replace("String", "StringNot"): same for name, same in SAME.items()}


def truth_of_operator(operator: str, found: str | None, wanted: list[str]) -> bool:
    """State the pages' rules as a table over (key there, any value the same, negated, IfExists)."""
    name = operator.removesuffix("IfExists")
    if found is None:
        return operator.endswith("IfExists") or name in NEGATIONS
    if name in NEGATIONS:
        return not [each for each in wanted if NEGATIONS[name](found, each)]
    return bool([each for each in wanted if SAME[name](found, each)])


OPERATORS = st.tuples(st.sampled_from([*SAME, *NEGATIONS]), st.sampled_from(["", "IfExists"])).map("".join)


@given(OPERATORS, st.none() | VALUES, WANTED)
def test_string_operators_agree_with_the_oracle(operator: str, found: str | None, wanted: list[str]) -> None:
    evaluation = under({operator: {"aws:x": wanted}}, aws__x=() if found is None else (found,))
    assert only_reason(evaluation).outcome is truth_of_operator(operator, found, wanted)


@given(OPERATORS, st.lists(VALUES.filter(bool), max_size=3), WANTED)
def test_set_operators_agree_with_the_oracle(operator: str, found: list[str], wanted: list[str]) -> None:
    truths = [truth_of_operator(operator, each, wanted) for each in found]
    all_values = under({f"ForAllValues:{operator}": {"aws:x": wanted}}, aws__x=tuple(found))
    any_value = under({f"ForAnyValue:{operator}": {"aws:x": wanted}}, aws__x=tuple(found))
    assert only_reason(all_values).outcome is (False not in truths)
    assert only_reason(any_value).outcome is (True in truths if found else operator.endswith("IfExists"))
