"""Which issuers are of EKS clusters."""

import pytest

from irsa_world.issuers import eks_region

BLUE = "oidc.eks.us-west-2.amazonaws.com/id/BLUE"


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
