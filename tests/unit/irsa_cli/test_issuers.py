"""Which issuers have a cluster: what `irsa inventory` calls an orphan, and `irsa adopt` a cluster that is gone."""

import pytest

from irsa_cli.issuers import Issuers, Standing, eks_region
from irsa_cli.live.model import LiveAwsAccount, LiveCluster

BLUE, GREEN, GONE = (f"oidc.eks.us-west-2.amazonaws.com/id/{name}" for name in ("BLUE", "GREEN", "GONE"))
LISTED = LiveAwsAccount("111122223333", (), {}, {"us-west-2": frozenset({f"https://{GREEN}"})})
DENIED = LiveAwsAccount("444455556666", (), {}, {"us-west-2": None})
ELSEWHERE = LiveAwsAccount("444455556666", (), {}, {"eu-central-1": None})


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
    """Protects the search for orphans: the region says whose list has the cluster, and only EKS has such a list."""
    assert eks_region(issuer) == region


@pytest.mark.parametrize(
    ("aws_accounts", "standing"),
    [
        ([LISTED], Standing.GONE),
        ([LISTED, ELSEWHERE], Standing.GONE),
        # A list that was denied is not an empty one, whichever AWS account's it is.
        ([LISTED, DENIED], Standing.NOT_KNOWN),
        ([DENIED, LISTED], Standing.NOT_KNOWN),
        ([ELSEWHERE], Standing.NOT_KNOWN),
        ([], Standing.NOT_KNOWN),
    ],
)
def test_a_cluster_is_gone_where_every_list_was_read(aws_accounts: list[LiveAwsAccount], standing: Standing) -> None:
    """Protects a live cluster from being called gone."""
    issuers = Issuers([LiveCluster("blue", f"https://{BLUE}", ())], aws_accounts)

    assert issuers.standing(GONE) is standing
    assert issuers.standing(BLUE) is Standing.KNOWN
    assert issuers.standing("token.actions.githubusercontent.com") is Standing.NOT_KNOWN
    assert issuers.standing("oidc.example.com/prod") is Standing.NOT_KNOWN


def test_a_cluster_in_one_list_is_known() -> None:
    """Protects a cluster of one AWS account of several, whether the others' lists were denied or not."""
    for aws_accounts in ([LISTED], [LISTED, DENIED]):
        assert Issuers([], aws_accounts).standing(GREEN) is Standing.KNOWN
    assert Issuers([], [LISTED, DENIED, ELSEWHERE]).listed_by(GONE) == ["111122223333"]
