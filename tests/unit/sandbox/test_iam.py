"""IAM of the sandbox, which is moto with what moto does not have, against AWS's documentation.

https://docs.aws.amazon.com/IAM/latest/APIReference/ and, for quotas and for names ("not distinguished by case", "unique
within the account"), https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.iam.models import AccountSummary, IAMBackend
from moto.iam.responses import IamResponse

from sandbox.missing_in_moto import REFUSALS, answer_with_documents_as_iam, page_as_iam, refuse_as_iam

ACCOUNT = "123456789012"
# A literal percent sign that looks like an escape, a plus sign, and what RFC 3986 reserves or does not know.
TEXT = "100%25 a+b/c*d~e é 漢 &<>\"'"
STATEMENT = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*", "Condition": {"StringEquals": {"a:b": TEXT}}}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": STATEMENT}, ensure_ascii=False)
SIZE = len("".join(DOCUMENT.split()))
OWN, OF_AWS = f"arn:aws:iam::{ACCOUNT}:policy/app", "arn:aws:iam::aws:policy/ReadOnlyAccess"
ROLE = {"RoleName": "app", "AssumeRolePolicyDocument": DOCUMENT}
LONGER = DOCUMENT[:-1] + ',"Id":"x"}'
TAKEN, QUOTA, MISSING = (409, "EntityAlreadyExists"), (409, "LimitExceeded"), (404, "NoSuchEntity")


@pytest.fixture
def quotas(faster_moto: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of quotas, which does not exist yet; moto's classes are as before after the test."""
    own = ((IAMBackend, (*REFUSALS, "list_roles")), (AccountSummary, ("summary_map",)))
    for owner, names in (
        *own,
        (IamResponse, ("get_account_authorization_details", "RESPONSE_KEY_PATH_TO_TRANSFORMER")),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name) if name.isupper() else vars(owner)[name])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    answer_with_documents_as_iam()
    page_as_iam()
    refuse_as_iam(tmp_path / "quotas.json")
    return tmp_path / "quotas.json"


@pytest.fixture
def iam(quotas: Path) -> Iterator[Any]:
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam")


DEFAULT_QUOTAS = {
    "RolesQuota": 1000,
    "PoliciesQuota": 1500,
    "AttachedPoliciesPerRoleQuota": 10,
    "AssumeRolePolicySizeQuota": 2048,
}
ATTACH, UPDATE = {"RoleName": "app", "PolicyArn": OWN}, {"RoleName": "app", "PolicyDocument": LONGER}
Call = tuple[str, dict[str, str]]
# Quotas of the AWS account, a call where one role has one policy, and IAM's refusal, None where it does it.
REFUSED: list[tuple[dict[str, int], Call, tuple[int, str] | None]] = [
    ({}, ("create_role", {**ROLE, "RoleName": "APP"}), TAKEN),
    ({}, ("create_role", {**ROLE, "Path": "/other/"}), TAKEN),
    ({}, ("create_policy", {"PolicyName": "App", "Path": "/other/", "PolicyDocument": DOCUMENT}), TAKEN),
    # AWS's managed policies are in AWS's account, so their names can be used.
    ({}, ("create_policy", {"PolicyName": "ReadOnlyAccess", "PolicyDocument": DOCUMENT}), None),
    ({}, ("create_role", {**ROLE, "RoleName": "b", "PermissionsBoundary": f"{OWN}x"}), MISSING),
    ({}, ("create_role", {**ROLE, "RoleName": "b", "PermissionsBoundary": OWN}), None),
    ({}, ("put_role_permissions_boundary", {"RoleName": "app", "PermissionsBoundary": f"{OWN}x"}), MISSING),
    ({"RolesQuota": 1}, ("create_role", {**ROLE, "RoleName": "b"}), QUOTA),
    ({"RolesQuota": 2}, ("create_role", {**ROLE, "RoleName": "b"}), None),
    ({"PoliciesQuota": 1}, ("create_policy", {"PolicyName": "b", "PolicyDocument": DOCUMENT}), QUOTA),
    ({"PoliciesQuota": 2}, ("create_policy", {"PolicyName": "b", "PolicyDocument": DOCUMENT}), None),
    ({"AttachedPoliciesPerRoleQuota": 1}, ("attach_role_policy", {**ATTACH, "PolicyArn": OF_AWS}), QUOTA),
    ({"AttachedPoliciesPerRoleQuota": 1}, ("attach_role_policy", ATTACH), None),
    # White space is not counted.
    ({"AssumeRolePolicySizeQuota": SIZE}, ("create_role", {**ROLE, "RoleName": "b"}), None),
    ({"AssumeRolePolicySizeQuota": SIZE}, ("update_assume_role_policy", UPDATE), QUOTA),
]


@pytest.mark.parametrize(("quota", "call", "refusal"), REFUSED)
def test_what_is_refused(iam: Any, quotas: Path, quota: Any, call: Call, refusal: tuple[int, str] | None) -> None:
    iam.create_role(**ROLE)
    iam.create_policy(PolicyName="app", PolicyDocument=DOCUMENT)
    iam.attach_role_policy(**ATTACH)
    # Those of another AWS account change nothing here.
    for aws_account, of_this in (("444455556666", {}), (ACCOUNT, quota)):
        quotas.write_text(json.dumps({aws_account: quota}))
        summary = iam.get_account_summary()["SummaryMap"]
        assert summary.items() >= {**DEFAULT_QUOTAS, **of_this, "Roles": 1, "Policies": 1}.items()
    if refusal is None:
        getattr(iam, call[0])(**call[1])
        return
    with pytest.raises(ClientError) as caught:
        getattr(iam, call[0])(**call[1])
    response: Any = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == refusal
