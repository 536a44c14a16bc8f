"""ARNs of IAM and OIDC issuers, against the formats that AWS documents.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import boto3
import pytest

from irsa.rules.arns import (
    PARTITIONS,
    check_issuer,
    issuer_of_provider,
    parse_iam_arn,
    provider_of_role,
)
from irsa.rules.mistakes import Mistake

PARTITION_ISSUERS = [
    ("aws", "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"),
    ("aws-cn", "oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE"),
    ("aws-us-gov", "oidc.eks.us-gov-west-1.amazonaws.com/id/EXAMPLE"),
    ("aws-eusc", "oidc-eks.eusc-de-east-1.api.amazonwebservices.eu/id/EXAMPLE"),
    ("aws", "oidc-eks.us-west-2.api.aws/id/EXAMPLE"),
]


@pytest.mark.parametrize(
    ("arn", "kind", "word"),
    [
        ("my-policy", "policy", "six parts"),
        ("a:aws:iam::111122223333:role/x", "role", "six parts"),
        ("arn:aws:iam::12:policy/x", "policy", "'12', not 12 digits"),
        ("arn:aws:iam::111122223333:role/a/", "role", "no name"),
        ("arn:aws:iam::aws:role/x", "role", "12 digits"),
        ("arn:aws-xx:iam::111122223333:role/x", "role", "partition"),
        ("arn:aws:s3::111122223333:role/x", "role", "service"),
        ("arn:aws:iam:us-west-2:111122223333:role/x", "role", "region"),
        ("arn:aws:iam::111122223333:user/x", "role", "'user'"),
        ("arn:aws:iam::111122223333:role/a*", "role", "wildcard"),
    ],
)
def test_what_part_of_an_arn_is_wrong(arn: str, kind: str, word: str) -> None:
    with pytest.raises(Mistake, match=word):
        parse_iam_arn(arn, kind)


@pytest.mark.parametrize(("partition", "issuer"), PARTITION_ISSUERS)
def test_a_provider_and_its_issuer_lead_to_each_other(partition: str, issuer: str) -> None:
    """Protects cross-account roles: the provider is the one in the role's own account and partition.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    provider = f"arn:{partition}:iam::444455556666:oidc-provider/{issuer}"

    assert provider_of_role(f"arn:{partition}:iam::444455556666:role/team/my-role", f"https://{issuer}") == provider
    assert issuer_of_provider(provider) == issuer


def test_the_partitions_are_those_of_aws() -> None:
    assert set(PARTITIONS) == set(boto3.session.Session().get_available_partitions())


@pytest.mark.parametrize("arn", ["arn:aws:iam::111122223333:role/r", "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", ""])
def test_an_issuer_comes_only_from_a_provider(arn: str) -> None:
    with pytest.raises(Mistake):
        issuer_of_provider(arn)


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "https://",
        "http://issuer.example",
        "https://issuer.example?x=y",
        "https://issuer.example#x",
        "https://issuer.example/*",
        "https://" + "x" * 248,
    ],
)
def test_issuers_that_no_provider_can_have(issuer: str) -> None:
    """Protects from a provider that IAM refuses: "path components are allowed but query parameters are not".

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    """
    with pytest.raises(Mistake, match="not an OIDC issuer"):
        check_issuer(issuer)
