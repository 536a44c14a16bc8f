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
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
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
        ([{**PODS, "Action": "sts:TagSession"}], UNTRUSTED),
        ([{**PODS, "Effect": "Deny"}], UNTRUSTED),
        ([{**PODS, "Principal": {"Service": "eks.amazonaws.com"}}], UNTRUSTED),
        ([{**PODS, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}], UNTRUSTED),
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


def test_an_association_from_its_creation_to_its_end(eks: Any) -> None:
    """What an update leaves out stays, an empty text takes it away: aws-controllers-k8s/eks-controller#164."""
    role("pathed", PODS, path="/irsa/")
    target = f"arn:aws:iam::{OTHER_ACCOUNT}:role/data-reader"
    bare = create(eks, serviceAccount="bare")
    assert {"ownerArn", "policy", "targetRoleArn", "externalId"}.isdisjoint(bare)
    settings = {"policy": POLICY, "disableSessionTags": True, "targetRoleArn": target, "tags": {"a": "1", "b": "2"}}
    made = create(eks, **settings)
    arn = f"arn:aws:eks:us-west-2:{ACCOUNT}:podidentityassociation/green/{made['associationId']}"
    external = {"associationArn": arn, "externalId": f"us-west-2/{ACCOUNT}/green/web/app"}
    assert made.items() >= {**settings, **external}.items()
    assert made["associationId"].startswith("a-")

    def update(**changed: Any) -> Any:
        answer = eks.update_pod_identity_association(**at(made), **changed)["association"]
        assert eks.describe_pod_identity_association(**at(made))["association"] == answer
        return answer

    changed = update(roleArn=f"{ROLES}irsa/pathed")
    assert changed == {**made, "roleArn": f"{ROLES}irsa/pathed", "modifiedAt": changed["modifiedAt"]}
    assert {"policy", "targetRoleArn", "externalId"}.isdisjoint(update(policy="", targetRoleArn=""))
    assert update(disableSessionTags=False)["disableSessionTags"] is False
    # The official plugin's way: by the ARN, with several keys taken away at once; a cluster's tags are moto's.
    for tagged in (arn, CLUSTER):
        eks.tag_resource(resourceArn=tagged, tags={"a": "3", "c": "4", "d": "5"})
        eks.untag_resource(resourceArn=tagged, tagKeys=["a", "c"])
    assert [eks.list_tags_for_resource(resourceArn=each)["tags"] for each in (arn, CLUSTER)] == [
        {"b": "2", "d": "5"},
        {"d": "5"},
    ]
    assert refused(eks.list_tags_for_resource, resourceArn=f"{arn}x") == (404, "NotFoundException")


@pytest.mark.parametrize("deleting", [False, True])
def test_lists_come_in_pages(eks: Any, deleting: bool) -> None:
    names = {f"app-{number}" for number in range(201)}
    for name in names:
        create(eks, serviceAccount=name)
    found: list[list[str]] = []
    for page in eks.get_paginator("list_pod_identity_associations").paginate(clusterName="green"):
        found.append([each["serviceAccount"] for each in page["associations"]])
        if deleting:
            eks.delete_pod_identity_association(**at(page["associations"][-1]))
    assert [len(page) for page in found] == [100, 100, 1]
    assert {name for page in found for name in page} == names


def test_add_ons(eks: Any) -> None:
    """An add-on alone changes and deletes what it owns: https://docs.aws.amazon.com/eks/latest/userguide/add-ons-iam.html."""
    driver = {"clusterName": "green", "addonName": "aws-ebs-csi-driver"}
    assert refused(eks.describe_addon, **driver) == NOT_FOUND
    given = [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": f"{ROLES}app"}]
    addon = eks.create_addon(**driver, podIdentityAssociations=given)["addon"]
    assert eks.describe_addon(**driver)["addon"]["status"] == "ACTIVE"
    assert refused(eks.create_addon, **driver) == (409, "ResourceInUseException")
    own = create(eks)
    (owned,) = eks.list_pod_identity_associations(clusterName="green", namespace="kube-system")["associations"]
    assert (owned["ownerArn"], addon["podIdentityAssociations"]) == (addon["addonArn"], [owned["associationArn"]])
    for call in (eks.delete_pod_identity_association, eks.update_pod_identity_association):
        assert refused(call, **at(owned)) == (400, "InvalidRequestException")
    eks.delete_addon(**driver)
    assert refused(eks.describe_addon, **driver) == NOT_FOUND
    left = eks.list_pod_identity_associations(clusterName="green")["associations"]
    assert [each["associationId"] for each in left] == [own["associationId"]]
