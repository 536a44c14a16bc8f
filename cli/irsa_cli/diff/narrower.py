"""Whether conditions are met only by requests that meet others, as far as their spelling tells."""

from collections.abc import Sequence

from irsa.evaluation.patterns import covers
from irsa.evaluation.permission_statements import UNKNOWN, Compared
from irsa.rules.grammar import split_operator
from irsa.rules.subjects import is_pattern

# Conditions with more combinations of their values are not compared value by value.
MOST_COMBINATIONS = 256
# Operators that take `*` and `?`; ArnEquals and ArnLike are one:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
_WITH_WILDCARDS = {"StringLike": "String", "ArnLike": "Arn", "ArnEquals": "Arn"}
_EXACT = ("StringLike", "StringEquals")
_ARN_PARTS = 6


def are_implied(conditions: Sequence[Compared], alternatives: Sequence[Sequence[Compared]]) -> bool:
    """Return whether every request that meets conditions meets all of one of several alternatives.

    Alternatives that differ in the values of one operator and key count together.
    """
    if any(all(any(_is_narrower(one, each) for one in conditions) for each in those) for those in alternatives):
        return True
    if len(alternatives) < 2:  # noqa: PLR2004 (one of which the other has the rest)
        return False
    places = [place for place, each in enumerate(conditions) if _is_any_of(each)]
    combinations = 1
    for place in places:
        combinations *= len(conditions[place].condition.wanted)
    if not places or combinations > MOST_COMBINATIONS:
        return False
    place = places[0]
    return all(
        are_implied([*conditions[:place], each, *conditions[place + 1 :]], alternatives)
        for each in conditions[place].by_value
    )


def _is_any_of(compared: Compared) -> bool:
    """Return whether it has several values, of which one must match."""
    operator = split_operator(compared.condition.operator)
    is_any = operator is not None and operator.of_set != "ForAllValues" and not compared.condition.negated
    return is_any and len(compared.condition.wanted) > 1


def _is_narrower(one: Compared, wider: Compared) -> bool:
    """Return whether every request that meets a condition meets another one."""
    # No page says what a condition without values means.
    if UNKNOWN in (one, wider) or () in (one.condition.wanted, wider.condition.wanted):
        return False
    if (one.key, one.variables) != (wider.key, wider.variables):
        return False
    own, other = split_operator(one.condition.operator), split_operator(wider.condition.operator)
    if own is None or other is None or own.of_set != other.of_set or (own.if_exists and not other.if_exists):
        return False
    if one.condition.negated != wider.condition.negated:
        return False
    inner, outer = (one, own.name), (wider, other.name)
    if one.condition.negated:
        # What is excluded is more.
        inner, outer = (wider, other.name.replace("Not", "")), (one, own.name.replace("Not", ""))
    return all(
        any(_is_within(value, inner[1], each, outer[1]) for each in outer[0].condition.wanted)
        for value in inner[0].condition.wanted
    )


def _is_within(value: str, operator: str, other: str, of_other: str) -> bool:
    """Return whether a value of an operator matches only what another one matches."""
    family = _WITH_WILDCARDS.get(of_other)
    has_family = family and operator.startswith(family) and operator != "StringEqualsIgnoreCase"
    # Without wildcards, StringLike is StringEquals.
    are_alike = operator == of_other or ((has_family or (operator, of_other) == _EXACT) and not is_pattern(value))
    if value == other and are_alike:
        return True
    if not has_family or "${" in value + other:
        return False
    if family == "String":
        return covers(other, value)
    # Each part of an ARN is compared by itself.
    parts = [each.split(":", _ARN_PARTS - 1) for each in (other, value)]
    return all(len(each) == _ARN_PARTS for each in parts) and all(map(covers, *parts))
