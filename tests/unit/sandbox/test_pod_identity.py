"""What EKS does with Pod Identity associations and add-ons, and what it refuses.

https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html and its neighbours; words that
no page has are those of the errors that the tests' docstrings name.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from sandbox.pod_identity import PAGE, SUMMARY

ACCOUNT, OTHER_ACCOUNT = "123456789012", "444455556666"
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/green"
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
PODS = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}
NARROW = {**PODS, "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "web"}}}
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"
IRSA = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
APP = {"clusterName": "green", "namespace": "web", "serviceAccount": "app"}


@pytest.fixture
def clients(pod_identity: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-west-2")):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield lambda service: boto3.client(service, region_name="us-west-2")  # type: ignore[call-overload]


@pytest.fixture
def role(clients: Callable[[str], Any]) -> Callable[..., str]:
    """Create a role with these statements in its trust policy, and return its ARN."""
    iam = clients("iam")

    def create(name: str, *statements: Any, path: str = "/") -> str:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements or (PODS,))})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, Path=path)["Role"]["Arn"]
        return arn

    return create


@pytest.fixture
def eks(clients: Callable[[str], Any]) -> Any:
    """EKS with one cluster."""
    eks = clients("eks")
    eks.create_cluster(name="green", roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={})
    return eks


def refused(call: Callable[..., object], **arguments: Any) -> tuple[int, str, str]:
    """Return the HTTP status, code and message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def create(eks: Any, **arguments: Any) -> Any:
    return eks.create_pod_identity_association(**{**APP, **arguments})["association"]


def test_what_an_association_is_made_of(eks: Any, role: Callable[..., str]) -> None:
    """Protects who reads an association: ARN and ID in the forms of EKS, the state of the tags, and no owner."""
    arn = role("app", path="/irsa/")
    made = create(eks, roleArn=arn, tags={"team": "a"})

    found = eks.describe_pod_identity_association(clusterName="green", associationId=made["associationId"])
    assert found["association"] == made
    assert made["associationId"].startswith("a-")
    assert made["associationArn"] == (
        f"arn:aws:eks:us-west-2:{ACCOUNT}:podidentityassociation/green/{made['associationId']}"
    )
    assert (made["roleArn"], made["tags"], made["disableSessionTags"]) == (arn, {"team": "a"}, False)
    assert {"ownerArn", "policy", "targetRoleArn", "externalId"}.isdisjoint(made)


@pytest.mark.parametrize(
    ("statements", "admitted"),
    [
        ([PODS], True),
        ([IRSA, NARROW], True),
        ([{**PODS, "Action": "sts:*"}], True),
        ([IRSA], False),
        ([{**PODS, "Action": "sts:AssumeRole"}], False),
        ([{**PODS, "Action": "sts:TagSession"}], False),
        ([{**PODS, "Effect": "Deny"}], False),
        ([{**PODS, "Principal": {"Service": "eks.amazonaws.com"}}], False),
        ([{**PODS, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}], False),
    ],
)
def test_the_role_must_trust_eks_pods(
    eks: Any, role: Callable[..., str], statements: list[Any], admitted: bool
) -> None:
    """Protects terraform-provider-aws#41483: an association whose role does not admit pods.eks is refused."""
    arn = role("app", *statements)
    if admitted:
        assert create(eks, roleArn=arn)["roleArn"] == arn
    else:
        assert refused(create, eks=eks, roleArn=arn) == (
            400,
            "InvalidParameterException",
            "Trust policy of the role provided is invalid",
        )


def test_the_role_must_exist_in_the_clusters_account(eks: Any, role: Callable[..., str]) -> None:
    """Protects eksctl#8718 and #34711 of Terraform's provider: another account's role, no role, and no ARN at all."""
    absent = refused(create, eks=eks, roleArn=f"arn:aws:iam::{ACCOUNT}:role/absent")
    assert absent == (400, "InvalidParameterException", "Role provided in the request does not exist.")
    role("app", path="/team/")
    without_path = refused(create, eks=eks, roleArn=f"arn:aws:iam::{ACCOUNT}:role/app")
    assert without_path == absent
    elsewhere = refused(create, eks=eks, roleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/app")
    assert elsewhere == (403, "AccessDeniedException", "Cross-account pass role is not allowed")
    assert refused(create, eks=eks, roleArn="") == elsewhere


def test_one_association_of_a_service_account(eks: Any, role: Callable[..., str]) -> None:
    """Protects eksctl#7753: the second one is refused, with the ID of the first; other names are others."""
    arn = role("app")
    first = create(eks, roleArn=arn)["associationId"]
    assert refused(create, eks=eks, roleArn=arn) == (
        409,
        "ResourceInUseException",
        f"Association already exists: {first}",
    )
    create(eks, roleArn=arn, namespace="other")
    create(eks, roleArn=arn, serviceAccount="other")


def test_what_is_not_there(eks: Any, role: Callable[..., str]) -> None:
    """Protects who looks for what is gone: every call says ResourceNotFoundException, for cluster and association."""
    arn = role("app")
    assert refused(create, eks=eks, roleArn=arn, clusterName="blue")[:2] == (404, "ResourceNotFoundException")
    assert refused(eks.list_pod_identity_associations, clusterName="blue")[:2] == (404, "ResourceNotFoundException")
    for call in (
        eks.describe_pod_identity_association,
        eks.update_pod_identity_association,
        eks.delete_pod_identity_association,
    ):
        for cluster in ("green", "blue"):
            found = refused(call, clusterName=cluster, associationId="a-0123456789abcdefg")
            assert found[:2] == (404, "ResourceNotFoundException")


def test_an_update_changes_what_it_names(eks: Any, role: Callable[..., str]) -> None:
    """Protects a policy and a target role: what a request leaves out stays, an empty text takes it away.

    https://github.com/aws-controllers-k8s/eks-controller/pull/164
    """
    first, second = role("first"), role("second")
    target = f"arn:aws:iam::{OTHER_ACCOUNT}:role/data-reader"
    made = create(eks, roleArn=first, policy=POLICY, disableSessionTags=True, targetRoleArn=target)
    assert made["externalId"] == f"us-west-2/{ACCOUNT}/green/web/app"

    def update(**settings: Any) -> Any:
        at = {"clusterName": "green", "associationId": made["associationId"]}
        answer = eks.update_pod_identity_association(**at, **settings)["association"]
        assert eks.describe_pod_identity_association(**at)["association"] == answer
        return answer

    changed = update(roleArn=second)
    assert changed["modifiedAt"] > made["modifiedAt"]
    assert changed == {**made, "roleArn": second, "modifiedAt": changed["modifiedAt"]}
    assert {"policy", "targetRoleArn", "externalId"}.isdisjoint(update(policy="", targetRoleArn=""))
    assert update(disableSessionTags=False)["disableSessionTags"] is False


def test_an_update_of_the_role_checks_its_trust(eks: Any, role: Callable[..., str]) -> None:
    """Protects the change of a role: one that does not admit pods.eks is refused, and the association is as before."""
    made = create(eks, roleArn=role("app"))
    at = {"clusterName": "green", "associationId": made["associationId"]}
    refusal = refused(eks.update_pod_identity_association, **at, roleArn=role("irsa", IRSA))
    assert refusal[1:] == ("InvalidParameterException", "Trust policy of the role provided is invalid")
    assert eks.describe_pod_identity_association(**at)["association"] == made


def test_what_a_list_tells(eks: Any, role: Callable[..., str]) -> None:
    """Protects who lists: the API's summary has neither role nor tags; filters are exact."""
    arn = role("app")
    for namespace, name in (("web", "app"), ("web", "application"), ("batch", "app")):
        create(eks, roleArn=arn, namespace=namespace, serviceAccount=name)

    def listed(**filters: str) -> set[tuple[str, str]]:
        found = eks.list_pod_identity_associations(clusterName="green", **filters)["associations"]
        assert all(each.keys() == set(SUMMARY) - {"ownerArn"} for each in found)
        return {(each["namespace"], each["serviceAccount"]) for each in found}

    assert listed() == {("web", "app"), ("web", "application"), ("batch", "app")}
    assert listed(namespace="web") == {("web", "app"), ("web", "application")}
    assert listed(serviceAccount="app") == {("web", "app"), ("batch", "app")}
    assert listed(namespace="web", serviceAccount="app") == {("web", "app")}
    assert listed(namespace="we") == set()


@pytest.mark.parametrize("deleting", [False, True])
def test_lists_come_in_pages(eks: Any, role: Callable[..., str], deleting: bool) -> None:
    """Protects a cluster with many associations: 100 at a time, each once, also where one is deleted in between."""
    arn = role("app")
    names = {f"app-{number}" for number in range(2 * PAGE + 1)}
    for name in names:
        create(eks, roleArn=arn, serviceAccount=name)
    pages = eks.get_paginator("list_pod_identity_associations").paginate(clusterName="green")
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["associations"]))
        found += [each["serviceAccount"] for each in page["associations"]]
        if deleting:
            last = page["associations"][-1]["associationId"]
            eks.delete_pod_identity_association(clusterName="green", associationId=last)
    assert sizes == [PAGE, PAGE, 1]
    assert (set(found), len(found)) == (names, len(names))


def test_tags_of_an_association(eks: Any, role: Callable[..., str]) -> None:
    """Protects the official plugin's way: tags by the association's ARN, with several keys taken away at once."""
    made = create(eks, roleArn=role("app"), tags={"a": "1", "b": "2", "c": "3"})
    arn = made["associationArn"]
    eks.tag_resource(resourceArn=arn, tags={"a": "4", "d": "5"})
    eks.untag_resource(resourceArn=arn, tagKeys=["b", "c"])
    assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "4", "d": "5"}
    at = {"clusterName": "green", "associationId": made["associationId"]}
    assert eks.describe_pod_identity_association(**at)["association"]["tags"] == {"a": "4", "d": "5"}
    assert refused(eks.list_tags_for_resource, resourceArn=f"{arn}x")[:2] == (404, "NotFoundException")


def test_tags_of_a_cluster_are_as_before(eks: Any) -> None:
    """Protects clusters: their tags are moto's, all keys of a request included."""
    eks.tag_resource(resourceArn=CLUSTER, tags={"a": "1", "b": "2", "c": "3"})
    eks.untag_resource(resourceArn=CLUSTER, tagKeys=["a", "b"])
    assert eks.list_tags_for_resource(resourceArn=CLUSTER)["tags"] == {"c": "3"}


def test_the_agents_add_on(eks: Any) -> None:
    """Protects who asks whether the agent runs: ACTIVE, or ResourceNotFoundException where it was never added."""
    agent = {"clusterName": "green", "addonName": "eks-pod-identity-agent"}
    assert refused(eks.describe_addon, **agent)[:2] == (404, "ResourceNotFoundException")
    eks.create_addon(**agent)
    assert eks.describe_addon(**agent)["addon"]["status"] == "ACTIVE"
    assert refused(eks.create_addon, **agent)[:2] == (409, "ResourceInUseException")
    eks.delete_addon(**agent)
    assert refused(eks.describe_addon, **agent)[:2] == (404, "ResourceNotFoundException")


def test_an_add_on_owns_its_associations(eks: Any, role: Callable[..., str]) -> None:
    """Protects associations of an add-on: `ownerArn` names it, only it changes and deletes them.

    https://docs.aws.amazon.com/eks/latest/userguide/add-ons-iam.html
    """
    driver = {"clusterName": "green", "addonName": "aws-ebs-csi-driver"}
    given = [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": role("driver")}]
    addon = eks.create_addon(**driver, podIdentityAssociations=given)["addon"]
    own = create(eks, roleArn=role("app"))

    (owned,) = eks.list_pod_identity_associations(clusterName="green", namespace="kube-system")["associations"]
    assert owned["ownerArn"] == addon["addonArn"]
    assert addon["podIdentityAssociations"] == [owned["associationArn"]]
    at = {"clusterName": "green", "associationId": owned["associationId"]}
    assert refused(eks.delete_pod_identity_association, **at)[:2] == (400, "InvalidRequestException")
    assert refused(eks.update_pod_identity_association, **at)[:2] == (400, "InvalidRequestException")
    eks.delete_addon(**driver)
    left = eks.list_pod_identity_associations(clusterName="green")["associations"]
    assert [each["associationId"] for each in left] == [own["associationId"]]


def test_auto_mode_is_remembered(eks: Any) -> None:
    """Protects who asks for the agent: a cluster of Auto Mode says so, and another one says nothing."""
    eks.create_cluster(
        name="auto",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks",
        resourcesVpcConfig={},
        computeConfig={"enabled": True, "nodePools": ["general-purpose"]},
    )
    assert eks.describe_cluster(name="auto")["cluster"]["computeConfig"]["enabled"] is True
    assert "computeConfig" not in eks.describe_cluster(name="green")["cluster"]
