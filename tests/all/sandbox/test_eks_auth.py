"""A Pod's token is exchanged by AssumeRoleForPodIdentity as AWS documents it, with a token of the real API server.

https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
"""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from joserfc import jwk, jws
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from tests.sandbox.conftest import Cloud
from tests.sandbox.sessions import pod_token

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
CLUSTER_ARN = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/my-cluster"
AUDIENCE = "pods.eks.amazonaws.com"
ROLE, TARGET = "pod-identity-test", "pod-identity-target"
EXTERNAL_ID = f"us-west-2/{ACCOUNT}/my-cluster/team-b/worker"
ACTIONS = ["sts:AssumeRole", "sts:TagSession"]


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ACTIONS, **statement}]})


def trust(**condition: Any) -> str:
    return policy(Principal={"Service": AUDIENCE}, **({"Condition": condition} if condition else {}))


def tagged(namespace: str = "team-b", name: str = "worker", cluster: str = CLUSTER_ARN) -> str:
    tags = {"eks-cluster-arn": cluster, "kubernetes-namespace": namespace, "kubernetes-service-account": name}
    return trust(StringEquals={f"aws:RequestTag/{key}": value for key, value in tags.items()})


class Association(NamedTuple):
    cloud: Cloud
    at: dict[str, str]

    def update(self, **settings: Any) -> None:
        self.cloud.aws("eks").update_pod_identity_association(**self.at, **settings)

    def trust(self, document: str) -> None:
        self.cloud.aws("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=document)


@pytest.fixture
def pod(cloud: Cloud) -> Iterator[Any]:
    client: Any = cloud.kubernetes("team-b")
    spec = PodSpec(serviceAccountName="worker", containers=[Container(name="app", image="app")])
    yield client.create(Pod(metadata=ObjectMeta(name="worker-0", namespace="team-b"), spec=spec))
    client.delete(Pod, "worker-0", grace_period=0)


@pytest.fixture
def association(cloud: Cloud) -> Iterator[Association]:
    iam, eks = cloud.aws("iam"), cloud.aws("eks")
    arn = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=tagged())["Role"]["Arn"]
    made = eks.create_pod_identity_association(
        clusterName="my-cluster", namespace="team-b", serviceAccount="worker", roleArn=arn
    )["association"]
    at = {"clusterName": "my-cluster", "associationId": made["associationId"]}
    yield Association(cloud, at)
    eks.delete_pod_identity_association(**at)
    for name in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]:
        iam.delete_role_policy(RoleName=ROLE, PolicyName=name)
    iam.delete_role(RoleName=ROLE)


def signed_again(cloud: Cloud, genuine: str, **changed: Any) -> str:
    """Return the token with changed claims, under the cluster's own key."""
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in genuine.split(".")[:2]
    )
    key: Any = jwk.import_key((cloud.folder / "kubernetes" / "service-account.key").read_text(), "RSA")
    return jws.serialize_compact(header, json.dumps({**claims, **changed}), key, algorithms=["RS256"])


def assume(cloud: Cloud, text: str, cluster: str = "my-cluster") -> Any:
    return cloud.aws("eks-auth").assume_role_for_pod_identity(clusterName=cluster, token=text)


def refusal(cloud: Cloud, text: str, cluster: str = "my-cluster") -> str:
    with pytest.raises(ClientError) as raised:
        assume(cloud, text, cluster)
    return str(raised.value.response["Error"]["Code"])


def identity(cloud: Cloud, answer: Any) -> str:
    names = {"AccessKeyId": "accessKeyId", "SecretAccessKey": "secretAccessKey", "SessionToken": "sessionToken"}
    keys = {name: answer["credentials"][own] for name, own in names.items()}
    return str(cloud.aws("sts", keys).get_caller_identity()["Arn"])


def test_a_pod_becomes_the_role_of_its_association(cloud: Cloud, pod: Any, association: Association) -> None:
    answer = assume(cloud, pod_token(cloud, pod))

    assert answer["subject"] == {"namespace": "team-b", "serviceAccount": "worker"}
    assert answer["audience"] == AUDIENCE
    assert answer["podIdentityAssociation"]["associationId"] == association.at["associationId"]
    arn = identity(cloud, answer)
    # The name of the session: eks-clustername-podname-random UUID.
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/eks-my-cluster-worker-0-")
    assert answer["assumedRoleUser"]["arn"] == arn
    assert answer["assumedRoleUser"]["assumeRoleId"].endswith(arn.rpartition("/")[2])
    assert 5 * 3600 < answer["credentials"]["expiration"].timestamp() - time.time() <= 6 * 3600


def test_tokens_that_are_refused(cloud: Cloud, pod: Any, association: Association) -> None:
    genuine = pod_token(cloud, pod)
    assert refusal(cloud, "not.a.token") == "InvalidTokenException"
    assert refusal(cloud, pod_token(cloud, pod, "sts.amazonaws.com")) == "InvalidTokenException"
    assert refusal(cloud, pod_token(cloud, pod, bound=False)) == "InvalidTokenException"
    assert refusal(cloud, genuine[:-8] + "AAAAAAAA") == "InvalidTokenException"
    assert refusal(cloud, signed_again(cloud, genuine, iss="https://example.com/id/A")) == "InvalidTokenException"
    assert refusal(cloud, signed_again(cloud, genuine, exp=int(time.time()) - 1)) == "ExpiredTokenException"
    assert identity(cloud, assume(cloud, signed_again(cloud, genuine)))


@pytest.fixture
def target(cloud: Cloud) -> Iterator[Any]:
    """A role of the other AWS account; yields its account's IAM."""
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/administrator"
    session = cloud.aws("sts").assume_role(RoleArn=role, RoleSessionName="test")
    iam = cloud.aws("iam", session["Credentials"])
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}
    iam.create_role(RoleName=TARGET, AssumeRolePolicyDocument=policy(Principal=principal))
    yield iam
    iam.delete_role(RoleName=TARGET)


def test_the_target_role(cloud: Cloud, pod: Any, association: Association, target: Any) -> None:
    arn = f"arn:aws:iam::{OTHER_ACCOUNT}:role/{TARGET}"
    association.update(targetRoleArn=arn)
    assert refusal(cloud, pod_token(cloud, pod)) == "AccessDeniedException"

    cloud.aws("iam").put_role_policy(RoleName=ROLE, PolicyName="target", PolicyDocument=policy(Resource=arn))
    answer = assume(cloud, pod_token(cloud, pod))
    assert identity(cloud, answer).startswith(f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/{TARGET}/eks-")
    assert answer["credentials"]["expiration"].timestamp() - time.time() <= 3600

    def admitted(**statement: Any) -> bool:
        document = policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, **statement)
        target.update_assume_role_policy(RoleName=TARGET, PolicyDocument=document)
        try:
            return bool(assume(cloud, pod_token(cloud, pod)))
        except cloud.aws("eks-auth").exceptions.AccessDeniedException:
            return False

    # All six tags are transitive, so the second session has them, too.
    assert admitted(Condition={"StringEquals": {"aws:RequestTag/kubernetes-namespace": "team-b"}})
    assert not admitted(Condition={"StringEquals": {"aws:RequestTag/kubernetes-namespace": "team-a"}})
    assert admitted(Condition={"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}})
    assert admitted(Condition={"StringEquals": {"sts:ExternalId": EXTERNAL_ID}})
    assert not admitted(Condition={"StringEquals": {"sts:ExternalId": EXTERNAL_ID.replace("worker", "other")}})
    assert not admitted(Action="sts:AssumeRole")
    association.trust(trust())
    association.update(disableSessionTags=True)
    assert admitted(Action="sts:AssumeRole")
