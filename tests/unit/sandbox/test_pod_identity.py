"""What EKS does with Pod Identity associations and add-ons, and what it refuses.

https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html and its neighbours; what no
page has is in the reports that are named.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

ACCOUNT, OTHER_ACCOUNT = "123456789012", "444455556666"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/"
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/green"
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
PODS: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}
NARROW = {**PODS, "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "web"}}}
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"
IRSA = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
APP = {"clusterName": "green", "namespace": "web", "serviceAccount": "app"}
# https://github.com/hashicorp/terraform-provider-aws/issues/41483
UNTRUSTED = (400, "InvalidParameterException")
NOT_FOUND = (404, "ResourceNotFoundException")


@pytest.fixture
def eks(pod_identity: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-west-2")):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        eks = boto3.client("eks", region_name="us-west-2")
        eks.create_cluster(name="green", roleArn=f"{ROLES}eks", resourcesVpcConfig={})
        role("app", PODS)
        yield eks


def role(name: str, *statements: Any, path: str = "/") -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document, Path=path)


def refused(call: Callable[..., object], **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def create(eks: Any, **arguments: Any) -> Any:
    return eks.create_pod_identity_association(**{**APP, "roleArn": f"{ROLES}app", **arguments})["association"]


def at(association: Any) -> dict[str, str]:
    return {"clusterName": "green", "associationId": association["associationId"]}


@pytest.mark.parametrize(
    ("statements", "refusal"),
    [
        ([IRSA, NARROW], None),
        ([{**PODS, "Action": "sts:*"}], None),
        ([IRSA], UNTRUSTED),
        ([{**PODS, "Action": "sts:AssumeRole"}], UNTRUSTED),
    ],
)
def test_the_role_must_trust_eks_pods(eks: Any, statements: list[Any], refusal: tuple[int, str] | None) -> None:
    role("judged", *statements)
    made, judged = create(eks, serviceAccount="changed"), {"roleArn": f"{ROLES}judged"}
    if refusal is None:
        assert create(eks, **judged)["roleArn"] == f"{ROLES}judged"
        return
    assert refused(create, eks=eks, **judged) == refusal
    assert refused(eks.update_pod_identity_association, **at(made), **judged) == refusal
    assert eks.describe_pod_identity_association(**at(made))["association"] == made


def test_what_is_refused(eks: Any) -> None:
    """Another account's role, no ARN at all: eksctl#8718, terraform-provider-aws#34711; and twice: eksctl#7753."""
    role("elsewhere", PODS, path="/team/")
    create(eks)
    create(eks, namespace="other")
    for arguments, refusal in (
        ({"roleArn": f"{ROLES}absent"}, (400, "InvalidParameterException")),
        ({"roleArn": f"{ROLES}elsewhere"}, (400, "InvalidParameterException")),
        ({"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/app"}, (403, "AccessDeniedException")),
        ({"roleArn": ""}, (403, "AccessDeniedException")),
        ({"serviceAccount": "app"}, (409, "ResourceInUseException")),
        ({"clusterName": "blue"}, NOT_FOUND),
    ):
        assert refused(create, eks=eks, **{"serviceAccount": "new", **arguments}) == refusal
    assert refused(eks.list_pod_identity_associations, clusterName="blue") == NOT_FOUND
    for verb in ("describe", "update", "delete"):
        for cluster in ("green", "blue"):
            call = getattr(eks, f"{verb}_pod_identity_association")
            assert refused(call, clusterName=cluster, associationId="a-0123456789abcdefg") == NOT_FOUND
