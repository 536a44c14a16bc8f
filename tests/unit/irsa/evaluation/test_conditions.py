"""Conditions against the sentences and tables of AWS's documentation."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision
from tests.unit.irsa.evaluation.page_example import (
    AUD,
    AUDIENCE,
    HOST_PATH,
    MATCHED,
    NOT_MATCHED,
    PROVIDER,
    SUB,
    SUBJECT,
    UNKNOWN,
    only_reason,
    under,
)

EXAMPLES = [
    ("a key has no case", {"StringEquals": {SUB.upper(): SUBJECT}}, MATCHED),
    ("a key under the provider's ARN is absent", {"StringEquals": {f"{PROVIDER}:sub": SUBJECT}}, NOT_MATCHED),
    ("a key with the scheme is absent", {"StringEquals": {f"https://{SUB}": SUBJECT}}, NOT_MATCHED),
    ("Null false of a key that is there", {"Null": {SUB: "false"}}, MATCHED),
    ("Null true of an absent key", {"Null": {"other.example:sub": "true"}}, MATCHED),
    ("Null of an unknown key", {"Null": {"aws:SourceVpc": "true"}}, UNKNOWN),
    ("Null has no third value", {"Null": {SUB: "perhaps"}}, UNKNOWN),
    ("no IfExists for Null", {"NullIfExists": {SUB: "false"}}, UNKNOWN),
    ("an unknown key", {"StringEquals": {"aws:SourceVpc": "vpc-1"}}, UNKNOWN),
    ("an unknown key, negated", {"StringNotEquals": {"sts:RoleSessionName": "x"}}, UNKNOWN),
    ("another claim of the token", {"StringEquals": {f"{HOST_PATH}:amr": "x"}}, UNKNOWN),
    ("a tag whose name ends like a claim", {"StringEquals": {"aws:RequestTag/a:sub": "x"}}, UNKNOWN),
    ("an operator that does not exist", {"StringMatches": {SUB: SUBJECT}}, UNKNOWN),
    (
        "false wins over unknown",
        {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringEquals": {SUB: "x"}},
        NOT_MATCHED,
    ),
    ("no values", {"StringEquals": {SUB: []}}, UNKNOWN),
]


@pytest.mark.parametrize(("condition", "decision"), [each[1:] for each in EXAMPLES], ids=[each[0] for each in EXAMPLES])
def test_documented_conditions(condition: dict[str, Any], decision: Decision) -> None:
    assert under(condition).decision is decision


@pytest.mark.parametrize(("wanted", "found"), [("\u00c9", "\u00e9"), ("k", "\u212a"), ("stra\u00dfe", "STRASSE")])
def test_no_page_says_what_the_other_case_is_beyond_ascii(wanted: str, found: str) -> None:
    for operator in ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"):
        assert under({operator: {"aws:x": wanted}}, aws__x=(found,)).decision is UNKNOWN


VARIABLES = [
    ("${*} is an asterisk", {"StringLike": {"aws:x": "a${*}b"}}, ("a*b",), MATCHED),
    ("${*} is no wildcard", {"StringLike": {"aws:x": "a${*}b"}}, ("axb",), NOT_MATCHED),
    ("${$} is a dollar sign", {"StringEquals": {"aws:x": "${$}{a}"}}, ("${a}",), MATCHED),
    (
        "a known variable",
        {"StringEquals": {SUB: "system:serviceaccount:${AWS:X}:my-service-account"}},
        ("default",),
        MATCHED,
    ),
    ("a claim as a variable", {"StringEquals": {"aws:x": f"${{{SUB}}}"}}, (SUBJECT,), MATCHED),
    ("an absent variable's default", {"StringEquals": {SUB: f"${{aws:x, '{SUBJECT}'}}"}}, (), MATCHED),
    ("a known variable's unused default", {"StringEquals": {SUB: f"${{aws:x, '{SUBJECT}'}}"}}, ("a",), NOT_MATCHED),
    ("an absent variable", {"StringEquals": {SUB: "${aws:x}"}}, (), UNKNOWN),
    ("an unknown variable, negated", {"StringNotEquals": {SUB: "${aws:username}"}}, (), UNKNOWN),
    ("an alternative without variable decides", {"StringEquals": {SUB: ["${aws:username}", SUBJECT]}}, (), MATCHED),
    ("a variable of several values", {"StringEquals": {SUB: "${aws:x}"}}, (SUBJECT, "b"), UNKNOWN),
    ("a variable whose value has a wildcard", {"StringLike": {SUB: "${aws:x}"}}, ("*",), UNKNOWN),
    ("an unclosed variable", {"StringEquals": {SUB: "${aws:x"}}, ("a",), UNKNOWN),
    # AWS's own tables: reference_policies_condition-single-vs-multi-valued-context-keys.html
    ("all of no text", {"ForAllValues:StringEquals": {"aws:x": "environment"}}, ("",), MATCHED),
    ("any of no text", {"ForAnyValue:StringLike": {"aws:x": "*"}}, ("",), NOT_MATCHED),
    ("several values without a set operator", {"StringEquals": {"aws:x": "a"}}, ("a", "b"), UNKNOWN),
    ("a variable under Bool", {"Bool": {"aws:x": "${aws:x}"}}, ("true",), UNKNOWN),
]


@pytest.mark.parametrize(
    ("condition", "value", "decision"), [each[1:] for each in VARIABLES], ids=[each[0] for each in VARIABLES]
)
def test_variables_and_several_values(condition: dict[str, Any], value: tuple[str, ...], decision: Decision) -> None:
    assert under(condition, aws__x=value).decision is decision


@pytest.mark.parametrize("version", [None, "2008-10-17"])
def test_earlier_versions_have_no_variables(version: str | None) -> None:
    condition = {"StringEquals": {"aws:x": "${aws:username}"}}
    assert under(condition, version, aws__x=("${aws:username}",)).decision is MATCHED
    assert under(condition, version, aws__x=("bob",)).decision is NOT_MATCHED


# The example of the ARN operators' own page: a wildcard does not reach over a colon.
ARN_PATTERN = "arn:aws:someservice:*:111122223333:finance/*"
ARN_VALUE = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
OTHERS = [
    ({"StringLike": {"aws:x": ARN_PATTERN}}, ARN_VALUE, MATCHED),
    ({"ArnLike": {"aws:x": ARN_PATTERN}}, ARN_VALUE, NOT_MATCHED),
    ({"ArnEquals": {"aws:x": ARN_PATTERN}}, "arn:aws:someservice:eu-west-1:111122223333:finance/a:b", MATCHED),
    ({"ArnNotLike": {"aws:x": ARN_PATTERN}}, ARN_VALUE, MATCHED),
    ({"ArnNotEquals": {"aws:x": ARN_VALUE}}, ARN_VALUE, NOT_MATCHED),
    ({"ArnLike": {"aws:x": "*"}}, ARN_VALUE, UNKNOWN),
    ({"Bool": {"aws:x": "true"}}, "true", MATCHED),
    ({"Bool": {"aws:x": True}}, "false", NOT_MATCHED),
    ({"Bool": {"aws:x": "true"}}, "1", UNKNOWN),
]


@pytest.mark.parametrize(("condition", "value", "decision"), OTHERS)
def test_arn_and_bool_operators(condition: dict[str, Any], value: str, decision: Decision) -> None:
    assert under(condition, aws__x=(value,)).decision is decision


HINTS = [
    ({"StringEquals": {SUB: "system:serviceaccount:default:*"}}, "only StringLike"),
    ({"StringEquals": {f"{PROVIDER}:sub": SUBJECT}}, f"start with {HOST_PATH} (the issuer without https://)"),
    ({"StringEquals": {"sub": SUBJECT}}, f"start with {HOST_PATH} (the issuer without https://)"),
    ({"StringEquals": {AUD: SUBJECT}}, "under sub, not aud"),
    ({"StringEquals": {SUB: AUDIENCE}}, "under aud, not sub"),
    ({"StringEquals": {SUB: f"system:serviceaccount:{SUBJECT}"}}, "twice"),
    ({"StringEquals": {SUB: SUBJECT.upper()}}, "differs only in letter case"),
    ({"StringEquals": {SUB: f"{SUBJECT} "}}, "differs only in leading or trailing spaces"),
]


@pytest.mark.parametrize(("condition", "words"), HINTS)
def test_known_slips_are_named(condition: dict[str, Any], words: str) -> None:
    reason = only_reason(under(condition))
    assert words in reason.explanation
    ((_, keys),) = condition.items()
    ((key, wanted),) = keys.items()
    assert (reason.key, reason.wanted) == (key, (wanted,))
    assert words in reason.hint
    assert reason.explanation.endswith(reason.hint)


# Few letters, so that patterns and values meet often; upper case for the operators that ignore it.
VALUES = st.text("abA:*?", max_size=7)
WANTED = st.lists(VALUES, min_size=1, max_size=3)
SAME: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: re.fullmatch(re.escape(wanted), found, re.IGNORECASE) is not None,
    "StringLike": fnmatchcase,
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


@pytest.mark.parametrize(
    ("operator", "wanted", "words"),
    [
        ("StringEquals", "x", "it must be exactly x."),
        ("StringEquals", ["x", "y"], "it must be exactly one of x, y."),
        ("StringNotEquals", ["x", "y"], "it must not be any of x, y."),
        ("ForAnyValue:StringLike", ["x", "y"], "at least one value must match one of x, y."),
        ("ForAllValues:StringLike", "x", "each value must match x."),
    ],
)
def test_what_a_condition_asks_is_in_words(operator: str, wanted: Any, words: str) -> None:
    found = only_reason(under({operator: {SUB: wanted}}))

    assert f"sub is {SUBJECT}; {words}" in found.explanation
    assert found.hint == ""
