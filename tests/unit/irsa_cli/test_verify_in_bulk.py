"""`irsa verify` reports the same, whichever way IAM and the clusters were read."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.responses import IamResponse

from irsa.rules.unknown import Unknown
from irsa.ways import TrustParts, trust_document
from irsa_cli.verify.binding import Verification
from irsa_cli.verify.work import read_in_bulk
from irsa_world.live.aws import AwsAccountClients, session_of
from irsa_world.model import Role, ServiceAccount
from irsa_world.report.checks import Check
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack
from sandbox import missing_in_moto
from tests.world import page_as_iam

OTHER_ACCOUNT = "444455556666"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
OTHER_TRUST = trust_document(TrustParts([f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:oidc-provider/{ISSUER}"], ["web:someone"]))
SHARED = "shared"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
OTHER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a%b"}]}


def shared(policy: str) -> str:
    """Return the ARN of the policy that nobody declares, in the AWS account of another policy."""
    return f"{policy.rpartition('/')[0]}/{SHARED}"


# What somebody did by hand to the role app-N of the stack.
BY_HAND: dict[str, Callable[[Any, str, str], object]] = {
    "nothing": lambda iam, name, arn: None,
    "deleted": lambda iam, name, arn: (
        iam.detach_role_policy(RoleName=name, PolicyArn=arn),
        iam.delete_role_policy(RoleName=name, PolicyName="inline"),
        iam.delete_role(RoleName=name),
    ),
    "trust": lambda iam, name, arn: iam.update_assume_role_policy(RoleName=name, PolicyDocument=OTHER_TRUST),
    "detached": lambda iam, name, arn: iam.detach_role_policy(RoleName=name, PolicyArn=arn),
    "policy deleted": lambda iam, name, arn: (
        iam.detach_role_policy(RoleName=name, PolicyArn=arn),
        iam.delete_policy(PolicyArn=arn),
    ),
    "attached": lambda iam, name, arn: iam.attach_role_policy(RoleName=name, PolicyArn=shared(arn)),
    "inline added": lambda iam, name, arn: iam.put_role_policy(
        RoleName=name, PolicyName="more", PolicyDocument=json.dumps(OTHER)
    ),
    "inline changed": lambda iam, name, arn: iam.put_role_policy(
        RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(OTHER)
    ),
    "version": lambda iam, name, arn: iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=json.dumps(OTHER), SetAsDefault=True
    ),
    "version that is not the default": lambda iam, name, arn: iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=json.dumps(OTHER), SetAsDefault=False
    ),
    "settings": lambda iam, name, arn: iam.update_role(RoleName=name, Description="%7E", MaxSessionDuration=7200),
    "boundary": lambda iam, name, arn: iam.put_role_permissions_boundary(
        RoleName=name, PermissionsBoundary=shared(arn)
    ),
}
SECRETS = ("none", "trust", "document", "settings")


@pytest.fixture(scope="module", autouse=True)
def moto_as_iam() -> Iterator[None]:
    """moto that lists two at a time and changes roles as IAM does; its classes are as before after the tests."""
    with pytest.MonkeyPatch.context() as patch:
        page_as_iam(patch, 2, missing_in_moto.add_missing_operations)
        patch.setattr("irsa_world.live.iam.MANY", 0)
        yield
        for name in ("add_client_id_to_open_id_connect_provider", "remove_client_id_from_open_id_connect_provider"):
            patch.delattr(IamResponse, name)
        patch.undo()


class StubClusters:
    """Clusters whose service accounts are all as declared."""

    issuer, context = f"https://{ISSUER}", "test"

    def of(self, _: str) -> Any:
        return self

    def read_service_accounts(self, _: Any) -> None:
        pass

    def service_account(self, namespace: str, name: str) -> ServiceAccount:
        annotations = {"eks.amazonaws.com/role-arn": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/{name}"}
        return ServiceAccount("test", namespace, name, annotations)


def declared(index: int, number: str, secret: str) -> DeclaredBinding:
    name = f"app-{index}"
    arn, policy = (f"arn:aws:iam::{number}:{kind}/{name}" for kind in ("role", "policy"))
    trust = trust_document(TrustParts([f"arn:aws:iam::{number}:oidc-provider/{ISSUER}"], [f"web:{name}"]))
    hidden: Any = Unknown("a secret")
    document = hidden if secret == "document" else POLICY
    role = Role(
        arn,
        hidden if secret == "trust" else json.loads(trust),
        description=hidden if secret == "settings" else "Reads",
        attached_policies=(policy,),
        inline_policies={"inline": document},
    )
    service_account = DeclaredServiceAccount("", "web", name, {"eks.amazonaws.com/role-arn": arn}, created=True)
    return DeclaredBinding(name, arn, role, {policy: document}, (service_account,), provider=number)


def created(binding: DeclaredBinding, iam: Any) -> str:
    """Create a binding's role and policies as the stack does, and return the policy's ARN."""
    name = binding.key
    role = declared(int(name.removeprefix("app-")), binding.provider, "none").role
    assert role
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(role.trust), Description="Reads")
    arn: str = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(POLICY))
    return arn


def clients() -> dict[str, Any]:
    role = json.dumps([{"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/x"}])
    found = {DEFAULT_ACCOUNT_ID: boto3.client("iam"), OTHER_ACCOUNT: session_of({"assumeRoles": role}).client("iam")}
    for client in found.values():
        client.create_policy(PolicyName=SHARED, PolicyDocument=json.dumps(POLICY))
    return found


def report(bindings: tuple[DeclaredBinding, ...], in_bulk: bool) -> tuple[list[Check], AwsAccountClients]:
    """Return the checks of bindings in two AWS accounts, and these."""
    role = json.dumps([{"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/x"}])
    aws_accounts = AwsAccountClients({DEFAULT_ACCOUNT_ID: {}, OTHER_ACCOUNT: {"assumeRoles": role}})
    clusters: Any = StubClusters()
    if in_bulk:
        read_in_bulk(aws_accounts, clusters, bindings)
    stack = DeclaredStack("dev", bindings, {}, {})
    verifications = [Verification(stack, aws_accounts, clusters, binding) for binding in bindings]
    return [check for each in verifications for check in each.checks(pods=False)], aws_accounts


def answered(aws_accounts: AwsAccountClients, number: str, operation: str) -> bool:
    """Return whether an AWS account has an answer to an operation."""
    aws_account = aws_accounts.of_arn(f"arn:aws:iam::{number}:role/x")
    assert aws_account
    questions: Any = aws_account._answers._answers
    return any(asked == operation for asked, _ in questions)


ROLES = st.tuples(
    st.sampled_from(sorted(BY_HAND)), st.sampled_from([DEFAULT_ACCOUNT_ID, OTHER_ACCOUNT]), st.sampled_from(SECRETS)
)


@given(st.lists(ROLES, min_size=2, max_size=6))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_ways_report_the_same(roles: list[tuple[str, str, str]]) -> None:
    with mock_aws():
        of_account = clients()
        bindings = tuple(declared(index, number, secret) for index, (_, number, secret) in enumerate(roles))
        for binding, (change, number, _) in zip(bindings, roles, strict=True):
            BY_HAND[change](of_account[number], binding.key, created(binding, of_account[number]))
        listed, aws_accounts = report(bindings, in_bulk=True)
        asked, _ = report(bindings, in_bulk=False)

        assert listed == asked
        for number in {number for _, number, _ in roles}:
            assert answered(aws_accounts, number, "GetAccountAuthorizationDetails")
