"""What moto answers in one page and IAM does not: details of the AWS account, and its roles."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse

from sandbox.missing_in_moto import page_as_iam

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


@pytest.fixture
def iam(faster_moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """IAM with 150 roles and 60 policies; moto's classes are as before after the test."""
    for owner, name in ((IAMBackend, "list_roles"), (IamResponse, "get_account_authorization_details")):
        monkeypatch.setattr(owner, name, vars(owner)[name])
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-west-2")):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    page_as_iam()
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        model = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for number in range(150):
            model.create_role(f"role-{number}", POLICY, "/", None, "", [], "3600")
        for number in range(60):
            model.create_policy("", "/", POLICY, f"policy-{number}", [])
        yield boto3.client("iam")


def test_a_page_has_no_more_than_iam_gives(iam: Any) -> None:
    """Protects who reads in bulk: markers are followed, or most of an AWS account is missing.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html: the default is 100, and
    there may be fewer items than MaxItems.
    """
    kinds = ["Role", "LocalManagedPolicy"]
    first = iam.get_account_authorization_details(Filter=kinds, MaxItems=1000)
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(Filter=kinds))
    few = iam.get_account_authorization_details(Filter=["LocalManagedPolicy"], MaxItems=7)
    roles = iam.list_roles(MaxItems=1000)

    assert (len(first["RoleDetailList"]), first["Policies"], first["IsTruncated"]) == (100, [], True)
    assert [len(page["RoleDetailList"]) for page in pages] == [100, 50, 0]
    assert [len(page["Policies"]) for page in pages] == [0, 50, 10]
    assert len({role["RoleName"] for page in pages for role in page["RoleDetailList"]}) == 150
    assert (len(few["Policies"]), few["IsTruncated"]) == (7, True)
    assert (len(roles["Roles"]), roles["IsTruncated"]) == (100, True)
    assert sum(len(page["Roles"]) for page in iam.get_paginator("list_roles").paginate()) == 150


def test_what_is_left_out_is_not_there(iam: Any) -> None:
    """Protects the filter: policies of AWS are 1,000 and more, and come only where they are asked for."""
    iam.create_user(UserName="someone")
    local = list(iam.get_paginator("get_account_authorization_details").paginate(Filter=["LocalManagedPolicy"]))
    users = iam.get_account_authorization_details(Filter=["User"])
    of_aws = iam.get_account_authorization_details(Filter=["AWSManagedPolicy"])
    everything = iam.get_account_authorization_details(MaxItems=1)

    assert {policy["Arn"].split(":")[4] for page in local for policy in page["Policies"]} == {"123456789012"}
    assert [user["UserName"] for user in users["UserDetailList"]] == ["someone"]
    assert (users["IsTruncated"], users["RoleDetailList"], users["Policies"]) == (False, [], [])
    assert {policy["Arn"].split(":")[4] for policy in of_aws["Policies"]} == {"aws"}
    assert (len(everything["UserDetailList"]), everything["IsTruncated"]) == (1, True)
