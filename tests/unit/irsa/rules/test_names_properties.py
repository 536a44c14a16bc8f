from hypothesis import assume, given
from hypothesis import strategies as st

from irsa.rules import names
from irsa.rules.mistakes import Mistake
from irsa.rules.names import POLICY, POLICY_PREFIX, ROLE, ROLE_PREFIX, NameRule, automatic_name_prefix, check_name


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200))
def test_a_long_logical_name_gets_a_prefix_that_fits(name: str) -> None:
    """Protects eksctl#7703, #5614: names found too long late; 64 characters hold the name, a dash and 7 more."""
    prefix = automatic_name_prefix(name, ROLE, ROLE_PREFIX)

    assert (prefix is None) == (len(name) + 8 <= 64)
    assert prefix is None or len(prefix) <= 38


@given(st.text("aZ9+=,.@_-", min_size=1, max_size=8), st.integers(100, 160))
def test_a_prefix_is_made_of_what_iam_takes(part: str, length: int) -> None:
    """Protects the deployment: what is cut from a legal name is a legal prefix, with room for 26 characters.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, API_CreatePolicy.html
    """
    name = (part * length)[:length]
    for rule, prefix_rule, longest in ((ROLE, ROLE_PREFIX, 64), (POLICY, POLICY_PREFIX, 128)):
        prefix = automatic_name_prefix(name, rule, prefix_rule)
        assert prefix is None or (check_name(prefix, prefix_rule) == prefix and len(prefix) + 26 <= longest)


@given(st.text("ab-", max_size=40), st.text("ab-", max_size=40))
def test_two_long_names_have_two_prefixes(one: str, other: str) -> None:
    assume(one != other)
    for first, second in ((f"{'x' * 60}{one}", f"{'x' * 60}{other}"), (f"{one}{'x' * 60}", f"{other}{'x' * 60}")):
        assert automatic_name_prefix(first, ROLE, ROLE_PREFIX) != automatic_name_prefix(second, ROLE, ROLE_PREFIX)


@given(st.text(max_size=30), st.sampled_from([each for each in vars(names).values() if isinstance(each, NameRule)]))
def test_a_name_is_taken_as_it_is_or_refused_with_all_parts(name: str, rule: NameRule) -> None:
    try:
        taken = check_name(name, rule)
    except Mistake as mistake:
        parts: tuple[object, ...] = (mistake.found, mistake.allowed, mistake.fix)
    else:
        parts = (taken == name,)
    assert all(parts)
