"""IAM's quotas, against the quotas page, and durations against the API references."""

import pytest

from irsa.rules import quotas
from irsa.rules.mistakes import Mistake
from irsa.rules.quotas import SESSION_DURATION, TOKEN_EXPIRATION, NumberLimits, Usage, check_number, check_usage


def test_the_numbers_of_the_quotas_page() -> None:
    """Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    assert (quotas.TRUST_POLICY_SIZE, quotas.MANAGED_POLICY_SIZE, quotas.INLINE_POLICIES_SIZE) == (2048, 6144, 10240)
    assert (quotas.ATTACHED_POLICIES, quotas.TAGS) == (10, 50)


@pytest.mark.parametrize(("used", "warns"), [(0, False), (80, False), (81, True), (100, True)])
def test_over_four_fifths_warns(used: int, warns: bool) -> None:
    assert check_usage(Usage("things", used, 100)) is warns


def test_a_quota_that_aws_raises_names_its_setting() -> None:
    with pytest.raises(Mistake) as error:
        check_usage(Usage("managed policies", 11, 10, ("quotas", "attached_policies")))
    assert error.value.arguments == (("quotas", "attached_policies"),)
    assert "SETTING" in error.value.spelled(lambda _: "SETTING").fix


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [(SESSION_DURATION, [3600, 43200], [3599, 43201, 0, -1]), (TOKEN_EXPIRATION, [600, 86400, 10**9], [599, 0, -600])],
)
def test_durations_at_their_edges(limits: NumberLimits, good: list[int], bad: list[int]) -> None:
    """Protects one hour to twelve for a session, and ten minutes at least for a token.

    Sources: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html (MaxSessionDuration),
    https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken (expirationSeconds)
    """
    assert [check_number(seconds, limits) for seconds in good] == good
    for seconds in bad:
        with pytest.raises(Mistake, match=f"{seconds} seconds"):
            check_number(seconds, limits)
