"""Whether conditions name somebody, from what AWS's pages say of each key."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation.document import statement_of
from irsa.evaluation.named_by import crowds

ANYBODY = ("AWS", "*")
GITHUB, GITLAB = "token.actions.githubusercontent.com", "gitlab.com"
TERRAFORM, COGNITO = "app.terraform.io", "cognito-identity.amazonaws.com"
FEDERATED = {each: f"arn:aws:iam::111122223333:oidc-provider/{each}" for each in (GITHUB, GITLAB, TERRAFORM)}


def named(condition: Any, principal: tuple[str, str] = ANYBODY, variables: bool = True) -> bool:
    """Return whether an Allow statement lets in somebody of a crowd, and not all of it."""
    type_, name = principal
    allow = {"Effect": "Allow", "Principal": {type_: name}, "Action": "sts:*", "Condition": condition}
    return not any(crowds({0: statement_of(allow)}, variables))


def of(provider: str, condition: Any) -> bool:
    return named(condition, ("Federated", FEDERATED.get(provider, provider)))


NAMING: list[dict[str, Any]] = [
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-123/*"}},
    {"StringLike": {"AWS:principalAccount": "111122223333*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}},
    {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*"}},
    {"StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:*"}},
    {"StringLike": {"aws:userid": ["AROAEXAMPLEID:*", "AIDAEXAMPLEID"]}},
    {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8", "198.51.100.7"]}},
    {"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}},
    {"StringEquals": {"oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:a:b"}},
    # Two that name together: whatever the key holds is of somebody, and it must be there.
    {"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-123/*"}, "Null": {"aws:PrincipalOrgPaths": "false"}},
    {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-123"}, "Null": {"aws:PrincipalOrgID": "false"}},
]
NOBODY: list[dict[str, Any]] = [
    {"StringEquals": {"sts:RoleSessionName": "ci"}},
    {"StringEquals": {"aws:PrincipalTag/example.com/team:name": "platform"}},
    {"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalAccount}"}},
    {"IpAddress": {"aws:VpcSourceIp": "10.0.0.7/32"}},
    {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}},
    {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::111122223333:role/a", "arn:*:*:*:*:*"]}},
    # A role's path may have colons: arn:aws:iam::999999999999:role/:iam::111122223333:role/a.
    {"StringLike": {"aws:PrincipalArn": "arn:aws*:iam::111122223333:role/a"}},
    {"StringLike": {"aws:PrincipalAccount": "11112222333?"}},
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-1/*"}},
    {"StringLike": {"aws:userid": "*:session"}},
    # 1, 10 to 19 and 100 to 199.
    {"StringLike": {"aws:SourceIp": "1*"}},
    {"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}},
    {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-123"}},
    {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-123/r-1/"}},
    {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    {"Null": {"aws:PrincipalOrgID": "false"}},
    {"Bool": {"aws:SecureTransport": True, "aws:MultiFactorAuthPresent": "true"}},
    # What is not known here proves nothing.
    {"StringEquals": {"example:Team": "platform"}},
    {"Bool": {"aws:PrincipalIsAWSService": "true"}},
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html: a bucket's ARN needs aws:SourceAccount too.
    {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::my-bucket"}},
    {"StringEquals": {"aws:PrincipalAccount": "1*"}},
    {"IpAddress": {"aws:SourceIp": "192.0.2.0/64"}},
]


@pytest.mark.parametrize("condition", [*NAMING, *NOBODY], ids=str)
def test_whom_a_condition_names(condition: dict[str, Any]) -> None:
    """The attack: a condition that any AWS account in the world meets, because its caller chooses the value.

    Protects what AWS says of the caller from a warning.
    """
    assert named(condition) is (condition in NAMING)


def test_variables_need_the_version() -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/x": "a", "aws:SourceVpc": "${aws:SourceVpc}"}}

    assert not named(condition)
    assert named(condition, variables=False)


@pytest.mark.parametrize(
    ("provider", "claim", "value", "expected"),
    [
        (GITHUB, "sub", "repo:acme/*", True),
        (GITHUB, "sub", "repo:acme@*", True),
        (GITHUB, "sub", "repository_owner:acme:*", True),
        (GITHUB, "sub", "repo:*:repository_owner:acme", True),
        (GITHUB, "sub", "*repository_owner:acme", False),
        (GITHUB, "sub", "repo:acme*", False),
        (GITHUB, "sub", "repo:*/app:ref:refs/heads/main", False),
        (GITHUB, "sub", "environment:prod", False),
        (GITHUB, "aud", "sts.amazonaws.com", False),
        (GITLAB, "sub", "project_path:acme/*", True),
        (GITLAB, "sub", "project_path:acme*", False),
        (TERRAFORM, "sub", "organization:acme:project:p:workspace:w:run_phase:*", True),
        (COGNITO, "aud", "us-east-1:12345678-ffff-ffff-ffff-123456", True),
        (COGNITO, "amr", "authenticated", False),
        ("accounts.google.com", "aud", "example.apps.googleusercontent.com", True),
        ("www.amazon.com", "user_id", "amzn1.account.EXAMPLE", True),
    ],
)
def test_the_claims_of_other_providers(provider: str, claim: str, value: str, expected: bool) -> None:
    """The attack: a role for one's own pipelines that every customer of the same provider may assume.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
    """
    condition = {"StringLike": {f"{provider}:{claim}": value}}

    assert of(provider, condition) is expected
    assert of(provider, {}) is False
    assert named(condition) is expected


@given(st.sampled_from([("0.0.0.0/0", 8), ("::/0", 32)]), st.data())
def test_a_range_that_is_as_good_as_all(every: tuple[str, int], data: st.DataObject) -> None:
    """The attack: `0.0.0.0/1` and `128.0.0.0/1` in place of `0.0.0.0/0`; to S3, less than a /8 is no fixed value."""
    prefix = data.draw(st.integers(0, 48 if every[1] == 32 else 24))
    bits = data.draw(st.integers(0, 2**prefix - 1))
    class_ = ipaddress.IPv6Network if every[1] == 32 else ipaddress.IPv4Network
    network = class_((bits << (class_(every[0]).max_prefixlen - prefix), prefix))
    condition = {"IpAddress": {"aws:SourceIp": str(network)}}

    assert named(condition) is (prefix >= every[1])


def test_long_conditions_have_an_answer() -> None:
    """The attack: conditions that keep irsa busy, which a test's timeout would end."""
    ranges = [f"{number}.0.0.0/{prefix}" for number in range(1, 120) for prefix in (8, 7, 1)]

    assert not named({"IpAddress": {"aws:SourceIp": ranges}})
    assert not of(GITHUB, {"StringLike": {f"{GITHUB}:sub": ["environment:" * 600 + "*" * 900] * 2}})
