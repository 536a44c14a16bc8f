"""The sandbox gives sessions and refuses them as AWS does, with tokens of the real API server.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html, its words from real answers: for
an expired token aws/aws-sdk-java-v2#5709, for unknown keys awslabs/aws-sdk-rust#827. For Pods
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

from tests.sandbox.cloud import Cloud
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER
from tests.sandbox.sessions import pod_token, tokens
from tests.world import PODS, document

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]

OTHER_ACCOUNT = "444455556666"
CLUSTER_ARN = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/my-cluster"
AUDIENCE = "pods.eks.amazonaws.com"
ROLE, TARGET = "refusals", "refusals-target"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
EXTERNAL_ID = f"us-west-2/{ACCOUNT}/my-cluster/team-b/worker"
SUBJECT = "system:serviceaccount:team-b:worker"
WEB = {"Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
EXACT = {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": SUBJECT}}
TAGS = {"eks-cluster-arn": CLUSTER_ARN, "kubernetes-namespace": "team-b", "kubernetes-service-account": "worker"}


def policy(**statement: Any) -> str:
    return json.dumps(document({"Effect": "Allow", **statement}))


@pytest.fixture
def role(cloud: Cloud) -> Iterator[Any]:
    iam = cloud.aws("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=policy(**WEB, Condition=EXACT))
    yield iam
    for name in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]:
        iam.delete_role_policy(RoleName=ROLE, PolicyName=name)
    iam.delete_role(RoleName=ROLE)


def token(cloud: Cloud, audience: str = "sts.amazonaws.com", name: str = "worker") -> str:
    return tokens(cloud, [f"team-b/{name}"], [audience])[0].text


def signed(cloud: Cloud, genuine: str, key: Any = None, **changed: Any) -> str:
    """Return the token with changed claims, signed with the cluster's key or another one."""
    header, claims = (json.loads(base64.urlsafe_b64decode(f"{part}==")) for part in genuine.split(".")[:2])
    own = jwk.import_key((cloud.folder / "kubernetes" / "service-account.key").read_text(), "RSA")
    return jws.serialize_compact(header, json.dumps({**claims, **changed}), key or own, algorithms=["RS256"])


def identity(cloud: Cloud, keys: dict[str, Any]) -> str:
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    own = {name: keys.get(name) or keys[name[0].lower() + name[1:]] for name in names}
    return str(cloud.aws("sts", own).get_caller_identity()["Arn"])


def test_web_identities(cloud: Cloud, role: Any) -> None:
    genuine, elsewhere = token(cloud), f"https://{ISSUER}/elsewhere"
    # The attack: another's token, whose claims are replaced and whose signature is not.
    header, _, signature = token(cloud, name="default").split(".")
    no_provider = "No OpenIDConnect provider found in your account for "
    no_key = "Couldn't retrieve verification key from your identity provider,  please reference"
    not_authorized = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    refused = [
        (genuine, "arn:aws:iam::111122223333:rolle/x", "ValidationError", "Request ARN is invalid"),
        (genuine, "arn:aws:iam::999988887777:role/x", "InvalidIdentityToken", f"{no_provider}https://{ISSUER}"),
        (genuine, "arn:aws:iam::111122223333:role/missing", "AccessDenied", not_authorized),
        ("not.a.token", ROLE_ARN, "InvalidIdentityToken", "The ID Token provided is not a valid JWT"),
        (signed(cloud, genuine, iss=elsewhere), ROLE_ARN, "InvalidIdentityToken", no_provider + elsewhere),
        (signed(cloud, genuine, jwk.generate_key("RSA", 2048)), ROLE_ARN, "InvalidIdentityToken", no_key),
        (signed(cloud, genuine, exp=int(time.time()) - 10), ROLE_ARN, "ExpiredTokenException", "Token expired: "),
        (genuine[:-8] + "AAAAAAAA", ROLE_ARN, "InvalidIdentityToken", no_key),
        (".".join([header, genuine.split(".")[1], signature]), ROLE_ARN, "InvalidIdentityToken", no_key),
        (token(cloud, "vault"), ROLE_ARN, "InvalidIdentityToken", "Incorrect token audience"),
        (token(cloud, name="default"), ROLE_ARN, "AccessDenied", not_authorized),
    ]
    sts = cloud.aws("sts")
    for text, arn, code, words in refused:
        with pytest.raises(ClientError) as raised:
            sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="test", WebIdentityToken=text)
        error = raised.value.response["Error"]
        assert (error["Code"], error["Message"][: len(words)]) == (code, words)
    # What is signed as the others here, without a change, is taken.
    text = signed(cloud, genuine)
    given = sts.assume_role_with_web_identity(RoleArn=ROLE_ARN, RoleSessionName="test", WebIdentityToken=text)
    assert identity(cloud, given["Credentials"]) == f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/test"


class Association(NamedTuple):
    cloud: Cloud
    pod: Any
    at: dict[str, str]

    def update(self, **settings: Any) -> None:
        self.cloud.aws("eks").update_pod_identity_association(**self.at, **settings)

    def assume(self, text: str = "") -> Any:
        return self.cloud.aws("eks-auth").assume_role_for_pod_identity(
            clusterName="my-cluster", token=text or pod_token(self.cloud, self.pod)
        )

    def refusal(self, text: str = "") -> str:
        with pytest.raises(ClientError) as raised:
            self.assume(text)
        return str(raised.value.response["Error"]["Code"])


@pytest.fixture
def association(cloud: Cloud, role: Any) -> Iterator[Association]:
    client, eks = cloud.kubernetes("team-b"), cloud.aws("eks")
    tagged = {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in TAGS.items()}}
    role.update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(**PODS, Condition=tagged))
    spec = PodSpec(serviceAccountName="worker", containers=[Container(name="app", image="app")])
    pod = client.create(Pod(metadata=ObjectMeta(name="worker-0", namespace="team-b"), spec=spec))
    at = {"clusterName": "my-cluster"}
    made = eks.create_pod_identity_association(**at, namespace="team-b", serviceAccount="worker", roleArn=ROLE_ARN)
    at["associationId"] = made["association"]["associationId"]
    yield Association(cloud, pod, at)
    eks.delete_pod_identity_association(**at)
    client.delete(Pod, "worker-0", grace_period=0)


def test_tokens_of_pods(cloud: Cloud, association: Association) -> None:
    answer = association.assume()
    assert answer["subject"] == {"namespace": "team-b", "serviceAccount": "worker"}
    assert answer["podIdentityAssociation"]["associationId"] == association.at["associationId"]
    arn = identity(cloud, answer["credentials"])
    # The name of the session: eks-clustername-podname-random UUID.
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/eks-my-cluster-worker-0-")
    assert answer["assumedRoleUser"]["arn"] == arn
    assert 5 * 3600 < answer["credentials"]["expiration"].timestamp() - time.time() <= 6 * 3600

    genuine = pod_token(cloud, association.pod)
    for text in (
        "not.a.token",
        pod_token(cloud, association.pod, "sts.amazonaws.com"),
        pod_token(cloud, association.pod, bound=False),
        genuine[:-8] + "AAAAAAAA",
        signed(cloud, genuine, iss="https://example.com/id/A"),
    ):
        assert association.refusal(text) == "InvalidTokenException"
    expired = signed(cloud, genuine, exp=int(time.time()) - 1)
    assert association.refusal(expired) == "ExpiredTokenException"


def test_the_target_role(cloud: Cloud, association: Association, role: Any) -> None:
    arn, root = f"arn:aws:iam::{OTHER_ACCOUNT}:role/{TARGET}", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    administrator = f"arn:aws:iam::{OTHER_ACCOUNT}:role/administrator"
    session = cloud.aws("sts").assume_role(RoleArn=administrator, RoleSessionName="test")
    other = cloud.aws("iam", session["Credentials"])
    other.create_role(
        RoleName=TARGET, AssumeRolePolicyDocument=policy(Principal={"AWS": ROLE_ARN}, Action=PODS["Action"])
    )
    association.update(targetRoleArn=arn)
    assert association.refusal() == "AccessDeniedException"
    role.put_role_policy(RoleName=ROLE, PolicyName="target", PolicyDocument=policy(Resource=arn, Action=PODS["Action"]))
    answer = association.assume()
    assert identity(cloud, answer["credentials"]).startswith(f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/{TARGET}/eks-")
    assert answer["credentials"]["expiration"].timestamp() - time.time() <= 3600

    def admitted(**statement: Any) -> bool:
        trust = policy(**{"Principal": root, "Action": PODS["Action"], **statement})
        other.update_assume_role_policy(RoleName=TARGET, PolicyDocument=trust)
        try:
            return bool(association.assume())
        except cloud.aws("eks-auth").exceptions.AccessDeniedException:
            return False

    # All six tags are transitive, so the second session has them, too.
    namespace = "aws:RequestTag/kubernetes-namespace"
    for condition, expected in (
        ({"StringEquals": {namespace: "team-b", "sts:ExternalId": EXTERNAL_ID}}, True),
        ({"StringEquals": {namespace: "team-a"}}, False),
        ({"StringEquals": {"sts:ExternalId": EXTERNAL_ID.replace("worker", "other")}}, False),
    ):
        assert admitted(Condition=condition) is expected, condition
    assert not admitted(Action="sts:AssumeRole")
    other.delete_role(RoleName=TARGET)
