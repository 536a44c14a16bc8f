"""Whether conditions name somebody, from what AWS's pages say of each key."""

from typing import Any

import pytest

from irsa.evaluation.document import statement_of
from irsa.evaluation.named_by import crowds

ANYBODY = ("AWS", "*")
GITHUB, GITLAB = "token.actions.githubusercontent.com", "gitlab.com"
TERRAFORM, COGNITO = "app.terraform.io", "cognito-identity.amazonaws.com"
FEDERATED = {each: f"arn:aws:iam::111122223333:oidc-provider/{each}" for each in (GITHUB, GITLAB, TERRAFORM)}


def named(condition: Any, principal: tuple[str, str] = ANYBODY) -> bool:
    """Return whether an Allow statement lets in somebody of a crowd, and not all of it."""
    type_, name = principal
    allow = {"Effect": "Allow", "Principal": {type_: name}, "Action": "sts:*", "Condition": condition}
    return not any(crowds({0: statement_of(allow)}))


def of(provider: str, condition: Any) -> bool:
    return named(condition, ("Federated", FEDERATED.get(provider, provider)))


NAMING: list[dict[str, Any]] = [
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-123/*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}},
    {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*"}},
    {"StringEquals": {"AWS:sourceVpce": ["vpce-1", "vpce-2"]}},
    {"StringLike": {"aws:userid": ["AROAEXAMPLEID:*", "AIDAEXAMPLEID"]}},
    {"StringEquals": {"oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:a:b"}},
]
NOBODY: list[dict[str, Any]] = [
    {"StringEquals": {"aws:PrincipalOrgID": []}},
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
    {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-123"}},
    {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-123/r-1/"}},
    {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    {"Null": {"aws:PrincipalOrgID": "false"}},
    {"Bool": {"aws:SecureTransport": True, "aws:MultiFactorAuthPresent": "true"}},
    # What is not known here proves nothing.
    {"StringEquals": {"example:Team": "platform"}},
    {"Bool": {"aws:PrincipalIsAWSService": "true"}},
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html: a bucket's ARN needs aws:SourceAccount too.
    {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::my-bucket"}},
    {"StringEquals": {"aws:PrincipalAccount": "1*"}},
]


@pytest.mark.parametrize("condition", [*NAMING, *NOBODY], ids=str)
def test_whom_a_condition_names(condition: dict[str, Any]) -> None:
    """The attack: a condition that any AWS account in the world meets, because its caller chooses the value.

    Protects what AWS says of the caller from a warning.
    """
    assert named(condition) is (condition in NAMING)


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
        # https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html: any pool has `amr`.
        (COGNITO, "aud", "us-east-1:12345678-corner-cafe-123456790ab", True),
        (COGNITO, "amr", "unauthenticated", False),
        (COGNITO, "aud", "us-east-1:*", False),
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
        ("accounts.google.com", "oaud", "example.apps.googleusercontent.com", True),
        ("graph.facebook.com", "app_id", "111122223333", True),
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


def test_long_conditions_have_an_answer() -> None:
    """The attack: conditions that keep irsa busy, which a test's timeout would end."""
    assert not of(GITHUB, {"StringLike": {f"{GITHUB}:sub": ["environment:" * 600 + "*" * 900] * 2}})
