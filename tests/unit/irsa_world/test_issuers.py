"""Which issuers have a cluster: what `irsa inventory` calls an orphan, and `irsa adopt` a cluster that is gone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_world.issuers import Issuers, Standing, eks_region
from irsa_world.model import AwsAccount, Cluster

BLUE, GREEN, GONE = (f"oidc.eks.us-west-2.amazonaws.com/id/{name}" for name in ("BLUE", "GREEN", "GONE"))
LISTED = AwsAccount("111122223333", (), {}, {"us-west-2": frozenset({f"https://{GREEN}"})})
DENIED = AwsAccount("444455556666", (), {}, {"us-west-2": None})
ELSEWHERE = AwsAccount("444455556666", (), {}, {"eu-central-1": None})


@pytest.mark.parametrize(
    ("issuer", "region"),
    [
        # https://docs.aws.amazon.com/general/latest/gr/eks.html
        (BLUE, "us-west-2"),
        ("oidc.eks.cn-north-1.amazonaws.com.cn/id/BLUE", "cn-north-1"),
        ("oidc.eks.us-gov-west-1.amazonaws.com/id/BLUE", "us-gov-west-1"),
        ("oidc-eks.us-west-2.api.aws/id/BLUE", "us-west-2"),
        ("token.actions.githubusercontent.com", ""),
        ("oidc.example.com/prod", ""),
        ("example.com/oidc.eks.us-west-2.amazonaws.com/id/BLUE", ""),
    ],
)
def test_the_region_of_an_issuer(issuer: str, region: str) -> None:
    assert eks_region(issuer) == region


def test_a_cluster_in_one_list_is_known() -> None:
    for aws_accounts in ([LISTED], [LISTED, DENIED]):
        assert Issuers([], aws_accounts).standing(GREEN) is Standing.KNOWN
    assert Issuers([], [LISTED, DENIED, ELSEWHERE]).listed_by(GONE) == ["111122223333"]


REGIONS = ["us-west-2", "eu-central-1"]
OF_REGION = {region: [f"oidc.eks.{region}.amazonaws.com/id/{name}" for name in "ABC"] for region in REGIONS}
OTHERS = ["token.actions.githubusercontent.com", "oidc.example.com/prod"]
ISSUERS = [*(issuer for issuers in OF_REGION.values() for issuer in issuers), *OTHERS]


def lists(region: str) -> st.SearchStrategy[frozenset[str] | None]:
    urls = st.sampled_from([f"https://{issuer}" for issuer in OF_REGION[region]])
    return st.none() | st.frozensets(urls)


LISTS = st.fixed_dictionaries({}, optional={region: lists(region) for region in REGIONS})


@given(st.lists(LISTS, max_size=3), st.sets(st.sampled_from(ISSUERS)), st.sampled_from(ISSUERS))
def test_only_lists_that_were_all_read_say_that_an_issuer_is_gone(
    of_aws_accounts: list[dict[str, frozenset[str] | None]], read: set[str], issuer: str
) -> None:
    aws_accounts = [AwsAccount(str(number), (), {}, each) for number, each in enumerate(of_aws_accounts)]
    issuers = Issuers([Cluster(each, f"https://{each}", ()) for each in read], aws_accounts)
    of_region = [
        found
        for each in of_aws_accounts
        for region, found in each.items()
        if f"oidc.eks.{region}." in issuer
    ]  # fmt: skip
    somewhere = issuer in read or any(f"https://{issuer}" in (found or ()) for found in of_region)

    assert (issuers.standing(issuer) is Standing.KNOWN) == somewhere
    assert (issuers.standing(issuer) is Standing.GONE) == (
        not somewhere and bool(of_region) and all(found is not None for found in of_region)
    )
