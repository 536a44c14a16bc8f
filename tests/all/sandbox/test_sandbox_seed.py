"""What the AWS page takes for granted exists in the sandbox, and several accounts and clusters can."""

import base64
import json
import ssl
import urllib.request
from typing import Any

import pytest
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from sandbox.seed import seed
from tests.sandbox.conftest import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"


def other_account(cloud: Cloud, service: str) -> Any:
    role = "arn:aws:iam::444455556666:role/administrator"
    session = cloud.aws("sts").assume_role(RoleArn=role, RoleSessionName="test")
    return cloud.aws(service, session["Credentials"])


def test_the_cluster_and_its_provider_belong_together(cloud: Cloud) -> None:
    """IRSA needs an IAM OIDC provider for the very issuer that the cluster names, with STS as its client."""
    cluster = cloud.aws("eks").describe_cluster(name="my-cluster")["cluster"]
    assert cluster["identity"]["oidc"]["issuer"] == f"https://{ISSUER}"
    arn = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    provider = cloud.aws("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert provider["Url"] == ISSUER
    assert provider["ClientIDList"] == ["sts.amazonaws.com"]


def test_the_clusters_endpoint_and_certificate_reach_the_api_server(cloud: Cloud) -> None:
    """A program that takes endpoint and certificate from EKS, as with a real cluster, reaches the sandbox's."""
    cluster = cloud.aws("eks").describe_cluster(name="my-cluster")["cluster"]
    assert cluster["endpoint"] == f"https://127.0.0.1:{cloud.ports['kube-apiserver']}"
    authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with urllib.request.urlopen(f"{cluster['endpoint']}/readyz", context=context, timeout=10) as answer:
        assert answer.read() == b"ok"


def test_the_other_account_is_another_account(cloud: Cloud) -> None:
    """A role of another account and its provider are there, and nowhere in the cluster's own account."""
    assert other_account(cloud, "sts").get_caller_identity()["Account"] == "444455556666"
    assert cloud.aws("sts").get_caller_identity()["Account"] == "111122223333"
    role = other_account(cloud, "iam").get_role(RoleName="other-account-role")["Role"]
    assert role["Arn"] == "arn:aws:iam::444455556666:role/other-account-role"
    federated = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Federated"]
    assert federated == f"arn:aws:iam::444455556666:oidc-provider/{ISSUER}"
    providers = other_account(cloud, "iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert federated in [provider["Arn"] for provider in providers]
    own = cloud.aws("iam")
    with pytest.raises(own.exceptions.NoSuchEntityException):
        own.get_role(RoleName="other-account-role")


def test_what_the_page_calls_existing_is_there(cloud: Cloud) -> None:
    """The policy to skip to the next step with, and the service account that is only to be annotated."""
    policy = "arn:aws:iam::111122223333:policy/existing-policy"
    version = cloud.aws("iam").get_policy_version(PolicyArn=policy, VersionId="v1")["PolicyVersion"]
    (statement,) = version["Document"]["Statement"]
    assert statement["Action"] == "s3:ListBucket"
    service_account = cloud.kubernetes().get(ServiceAccount, "existing-service-account")
    assert service_account.metadata is not None
    assert service_account.metadata.labels == {"app.kubernetes.io/managed-by": "Helm"}
    assert service_account.metadata.annotations is not None
    assert service_account.metadata.annotations["example.com/owner"] == "platform"
    assert [secret.name for secret in service_account.imagePullSecrets or []] == ["registry-credentials"]
    names = {entry.metadata.name for entry in cloud.kubernetes().list(Namespace) if entry.metadata}
    assert {"default", "team-a", "team-b", "analytics"} <= names


def test_aws_managed_policies_are_there(cloud: Cloud) -> None:
    """Bindings attach AWS's own policies by their ARNs."""
    arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    assert cloud.aws("iam").get_policy(PolicyArn=arn)["Policy"]["PolicyName"] == "AmazonSQSReadOnlyAccess"


def test_seeding_again_changes_nothing(cloud: Cloud) -> None:
    """`make up` seeds each time; what somebody has changed in the meantime stays as it is."""
    before = cloud.kubernetes().get(ServiceAccount, "existing-service-account")
    seed(cloud.sandbox, cloud.ports["aws-api"])
    after = cloud.kubernetes().get(ServiceAccount, "existing-service-account")
    assert before.metadata is not None
    assert after.metadata is not None
    assert after.metadata.resourceVersion == before.metadata.resourceVersion


def test_a_token_is_shaped_as_those_of_eks(cloud: Cloud) -> None:
    """TokenRequest gives what STS checks: the cluster's issuer, STS as audience, namespace and name as subject."""
    token = cloud.kubectl("create", "token", "existing-service-account", "--audience", "sts.amazonaws.com").stdout
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["iss"] == f"https://{ISSUER}"
    assert claims["aud"] == ["sts.amazonaws.com"]
    assert claims["sub"] == "system:serviceaccount:default:existing-service-account"


def test_another_cluster_keeps_the_issuer_that_its_entry_names(cloud: Cloud) -> None:
    """Two clusters of one region have two issuers: moto alone would give both the same."""
    clusters = json.loads(cloud.sandbox.clusters.read_text())
    green = {**clusters[0], "name": "green", "issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/GREEN"}
    cloud.sandbox.clusters.write_text(json.dumps([*clusters, green]))
    eks = cloud.aws("eks")
    role = "arn:aws:iam::111122223333:role/eks-cluster-role"
    made = eks.create_cluster(name="green", roleArn=role, resourcesVpcConfig={})["cluster"]
    try:
        assert made["identity"]["oidc"]["issuer"] == green["issuer"]
        described = {name: eks.describe_cluster(name=name)["cluster"] for name in ("green", "my-cluster")}
        assert described["green"]["identity"]["oidc"]["issuer"] == green["issuer"]
        assert described["my-cluster"]["identity"]["oidc"]["issuer"] == f"https://{ISSUER}"
    finally:
        eks.delete_cluster(name="green")
        cloud.sandbox.clusters.write_text(json.dumps(clusters))
