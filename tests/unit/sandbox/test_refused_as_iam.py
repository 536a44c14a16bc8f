"""What IAM refuses and moto alone does not: names that are taken, a missing boundary, what exceeds a quota."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.iam.models import AccountSummary, IAMBackend

from sandbox.missing_in_moto import REFUSALS, refuse_as_iam

ACCOUNT = "123456789012"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}
)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
DEFAULT_QUOTAS = {
    "RolesQuota": 1000,
    "PoliciesQuota": 1500,
    "AttachedPoliciesPerRoleQuota": 10,
    "AssumeRolePolicySizeQuota": 2048,
}


@pytest.fixture
def quotas(faster_moto: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of quotas, which does not exist yet; moto's classes are as before after the test."""
    for name in REFUSALS:
        monkeypatch.setattr(IAMBackend, name, vars(IAMBackend)[name])
    monkeypatch.setattr(AccountSummary, "summary_map", vars(AccountSummary)["summary_map"])
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-west-2")):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    refuse_as_iam(tmp_path / "quotas.json")
    return tmp_path / "quotas.json"


@pytest.fixture
def iam(quotas: Path) -> Iterator[Any]:
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam")


def refused(call: Callable[..., object], **arguments: Any) -> tuple[int, str, str]:
    """Return the HTTP status, code and message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def create_role(iam: Any, name: str, **settings: Any) -> None:
    iam.create_role(**{"RoleName": name, "AssumeRolePolicyDocument": json.dumps(TRUST), **settings})


def create_policy(iam: Any, name: str, **settings: Any) -> str:
    arn: str = iam.create_policy(PolicyName=name, PolicyDocument=POLICY, **settings)["Policy"]["Arn"]
    return arn


def test_the_default_quotas(iam: Any) -> None:
    """Protects a sandbox without settings: its quotas are AWS's defaults."""
    summary = iam.get_account_summary()["SummaryMap"]

    assert {name: summary[name] for name in DEFAULT_QUOTAS} == DEFAULT_QUOTAS


def test_the_summary_counts_what_is_there(iam: Any) -> None:
    """Protects who computes what is left: roles, customer managed policies and providers are counted as they are."""
    before = iam.get_account_summary()["SummaryMap"]
    create_role(iam, "one")
    create_role(iam, "two", Path="/irsa/")
    create_policy(iam, "one")
    iam.create_open_id_connect_provider(Url="https://example.com/id/1", ClientIDList=["sts.amazonaws.com"])
    after = iam.get_account_summary()["SummaryMap"]

    counted = {name: after[name] - before[name] for name in ("Roles", "Policies", "Providers")}
    assert counted == {"Roles": 2, "Policies": 1, "Providers": 1}


def test_roles_of_the_aws_account(iam: Any, quotas: Path) -> None:
    """Protects the quota of roles, as IAM words it; a deleted role makes room."""
    quotas.write_text(json.dumps({ACCOUNT: {"RolesQuota": 2}}))
    create_role(iam, "one")
    create_role(iam, "two")

    assert iam.get_account_summary()["SummaryMap"]["RolesQuota"] == 2
    refusal = (409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 2")
    assert refused(iam.create_role, RoleName="three", AssumeRolePolicyDocument=json.dumps(TRUST)) == refusal
    iam.delete_role(RoleName="one")
    create_role(iam, "three")


def test_customer_managed_policies_of_the_aws_account(iam: Any, quotas: Path) -> None:
    """Protects the quota of policies, to which those of AWS do not count."""
    quotas.write_text(json.dumps({ACCOUNT: {"PoliciesQuota": 1}}))
    create_policy(iam, "one")

    refusal = (409, "LimitExceeded", "Cannot exceed quota for PoliciesPerAccount: 1")
    assert refused(iam.create_policy, PolicyName="two", PolicyDocument=POLICY) == refusal


def test_managed_policies_per_role(iam: Any, quotas: Path) -> None:
    """Protects the quota per role: attaching a policy again takes no more of it, other roles have their own."""
    quotas.write_text(json.dumps({ACCOUNT: {"AttachedPoliciesPerRoleQuota": 2}}))
    first, second, third = (create_policy(iam, name) for name in ("one", "two", "three"))
    create_role(iam, "app")
    create_role(iam, "other")
    for arn in (first, second, second):
        iam.attach_role_policy(RoleName="app", PolicyArn=arn)

    refusal = (409, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 2")
    assert refused(iam.attach_role_policy, RoleName="app", PolicyArn=third) == refusal
    iam.attach_role_policy(RoleName="other", PolicyArn=third)


def test_size_of_a_trust_policy(iam: Any, quotas: Path) -> None:
    """Protects the quota of the trust policy's characters, at creation and later; white space is not counted."""
    exact = len(json.dumps(TRUST, separators=(",", ":")))
    quotas.write_text(json.dumps({ACCOUNT: {"AssumeRolePolicySizeQuota": exact}}))
    create_role(iam, "app", AssumeRolePolicyDocument=json.dumps(TRUST, indent=8))
    longer = json.dumps({**TRUST, "Id": "x"})

    refusal = (409, "LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {exact}")
    assert refused(iam.create_role, RoleName="other", AssumeRolePolicyDocument=longer) == refusal
    assert refused(iam.update_assume_role_policy, RoleName="app", PolicyDocument=longer) == refusal


def test_quotas_are_of_one_aws_account(iam: Any, quotas: Path) -> None:
    """Protects the other AWS account of a sandbox: its quotas stay as they are."""
    quotas.write_text(json.dumps({"444455556666": {"RolesQuota": 0}}))

    create_role(iam, "one")


@pytest.mark.parametrize(("name", "path"), [("app", "/"), ("APP", "/"), ("app", "/other/")])
def test_names_are_compared_without_case_and_path(iam: Any, name: str, path: str) -> None:
    """Protects "names are not distinguished by case" and "unique within the account", for roles and policies."""
    create_role(iam, "app")
    create_policy(iam, "app")

    role = refused(iam.create_role, RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST))
    policy = refused(iam.create_policy, PolicyName=name, Path=path, PolicyDocument=POLICY)
    assert role == (409, "EntityAlreadyExists", f"Role with name {name} already exists.")
    assert policy[:2] == (409, "EntityAlreadyExists")


def test_a_name_of_an_aws_managed_policy_is_free(iam: Any) -> None:
    """Protects a look-alike: AWS's managed policies are in AWS's account, so their names can be used."""
    iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert create_policy(iam, "ReadOnlyAccess") == f"arn:aws:iam::{ACCOUNT}:policy/ReadOnlyAccess"


def test_a_boundary_that_does_not_exist(iam: Any) -> None:
    """Protects permissions boundaries, at creation and later: the policy must exist."""
    missing = f"arn:aws:iam::{ACCOUNT}:policy/bondary"
    boundary = create_policy(iam, "boundary")
    create_role(iam, "app", PermissionsBoundary=boundary)

    refusal = (404, "NoSuchEntity", f"Scope ARN: {missing} does not exist or is not attachable.")
    create = {"RoleName": "b", "AssumeRolePolicyDocument": json.dumps(TRUST), "PermissionsBoundary": missing}
    assert refused(iam.create_role, **create) == refusal
    assert refused(iam.put_role_permissions_boundary, RoleName="app", PermissionsBoundary=missing) == refusal
