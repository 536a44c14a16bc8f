"""Create what exists before the program runs: the cluster, its OIDC provider, and what AWS's page calls existing.

It may run again at any time: what exists is not changed.
"""

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.core_v1 import LocalObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import RoleRef, Subject
from lightkube.resources.core_v1 import Namespace, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import ClusterRoleBinding

from sandbox.environment import sandbox_variables
from sandbox.layout import ADMINISTRATOR, AUDIENCE, AWS_ACCOUNT, CLUSTER, ISSUER, OTHER_AWS_ACCOUNT, REGION, Sandbox

EXISTING_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::my-pod-secrets-bucket"}],
}
NAMESPACES = ("team-a", "team-b", "analytics")
# Service accounts of others that the dev stack's roles trust: one that the wildcard matches, two that a list names.
TRUSTED_SERVICE_ACCOUNTS = (("team-a", "team-a-worker"), ("analytics", "report-reader"), ("team-b", "worker"))
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
POD_IDENTITY_AGENT = "eks-pod-identity-agent"
OTHER_ACCOUNT_ROLE = "other-account-role"
ADMITTED_SERVICE_ACCOUNTS = ("team-b:other-account", "default:existing-service-account")
# EKS publishes a cluster's keys. The API server does so with the binding that its documentation names:
# https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
PUBLIC_KEYS = ClusterRoleBinding(
    metadata=ObjectMeta(name="published-keys"),
    roleRef=RoleRef(
        apiGroup="rbac.authorization.k8s.io", kind="ClusterRole", name="system:service-account-issuer-discovery"
    ),
    subjects=[Subject(apiGroup="rbac.authorization.k8s.io", kind="Group", name="system:unauthenticated")],
)
ALREADY_EXISTS = ("EntityAlreadyExists", "ResourceInUseException", "BucketAlreadyOwnedByYou")
CONFLICT = 409
CLUSTER_ROLE_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def aws_client(
    sandbox: Sandbox, aws_port: int, service: str, credentials: dict[str, Any] | None = None, region: str = REGION
) -> Any:
    """Return a boto3 client of the sandbox, whatever the caller's environment says."""
    variables = sandbox_variables(sandbox, aws_port)
    keys = credentials or {
        "AccessKeyId": variables["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": variables["AWS_SECRET_ACCESS_KEY"],
    }
    # boto3.client would share one session, and with it the caller's profile.
    session: Any = boto3.session.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        region_name=region,
    )
    return session.client(service, endpoint_url=variables["AWS_ENDPOINT_URL"], config=Config(proxies={}))


def of_other_account(sandbox: Sandbox, aws_port: int, service: str) -> Any:
    """Return a client of the other AWS account."""
    role = f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/{ADMINISTRATOR}"
    session = aws_client(sandbox, aws_port, "sts").assume_role(RoleArn=role, RoleSessionName="seed")
    return aws_client(sandbox, aws_port, service, session["Credentials"])


def kubernetes_client(sandbox: Sandbox, namespace: str = "default") -> Client:
    return Client(KubeConfig.from_file(sandbox.kubeconfig), namespace=namespace, trust_env=False)


def seed(sandbox: Sandbox, aws_port: int) -> None:
    """Create what is missing."""
    _seed_cluster(sandbox, aws_port)
    _seed_other_account(sandbox, aws_port)
    _seed_kubernetes(sandbox)


def _seed_cluster(sandbox: Sandbox, aws_port: int) -> None:
    iam, eks = (aws_client(sandbox, aws_port, service) for service in ("iam", "eks"))
    create_if_missing(
        iam.create_role, RoleName="eks-cluster-role", AssumeRolePolicyDocument=json.dumps(CLUSTER_ROLE_TRUST)
    )
    create_if_missing(
        eks.create_cluster,
        name=CLUSTER,
        roleArn=f"arn:aws:iam::{AWS_ACCOUNT}:role/eks-cluster-role",
        resourcesVpcConfig={},
    )
    create_if_missing(eks.create_addon, clusterName=CLUSTER, addonName=POD_IDENTITY_AGENT)
    create_if_missing(iam.create_open_id_connect_provider, Url=ISSUER, ClientIDList=[AUDIENCE])
    create_if_missing(iam.create_policy, PolicyName="existing-policy", PolicyDocument=json.dumps(EXISTING_POLICY))


def _seed_other_account(sandbox: Sandbox, aws_port: int) -> None:
    """Create what another AWS account's administrator creates for this cluster: a provider and a role."""
    iam = of_other_account(sandbox, aws_port, "iam")
    issuer = ISSUER.removeprefix("https://")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:oidc-provider/{issuer}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{issuer}:aud": AUDIENCE,
                        f"{issuer}:sub": [f"system:serviceaccount:{name}" for name in ADMITTED_SERVICE_ACCOUNTS],
                    },
                },
            }
        ],
    }
    create_if_missing(iam.create_open_id_connect_provider, Url=ISSUER, ClientIDList=[AUDIENCE])
    create_if_missing(iam.create_role, RoleName=OTHER_ACCOUNT_ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    # Tests change it.
    iam.update_assume_role_policy(RoleName=OTHER_ACCOUNT_ROLE, PolicyDocument=json.dumps(trust))


def _seed_kubernetes(sandbox: Sandbox) -> None:
    client: Any = kubernetes_client(sandbox)
    existing = ServiceAccount(
        metadata=ObjectMeta(
            name="existing-service-account",
            namespace="default",
            labels={"app.kubernetes.io/managed-by": "Helm"},
            annotations={"example.com/owner": "platform"},
        ),
        imagePullSecrets=[LocalObjectReference(name="registry-credentials")],
    )
    trusted = (ServiceAccount(metadata=ObjectMeta(name=name, namespace=ns)) for ns, name in TRUSTED_SERVICE_ACCOUNTS)
    namespaces = (Namespace(metadata=ObjectMeta(name=name)) for name in NAMESPACES)
    for resource in (*namespaces, existing, *trusted):
        _create(client, resource)
    publish_keys(sandbox)


def publish_keys(sandbox: Sandbox) -> None:
    """Allow everybody to read the public keys of a cluster's tokens."""
    _create(kubernetes_client(sandbox), PUBLIC_KEYS)


def _create(client: Any, resource: Any) -> None:
    try:
        client.create(resource, field_manager="sandbox-seed")
    except ApiError as error:
        if error.status.code != CONFLICT:
            raise


def create_if_missing(create: Callable[..., object], **arguments: Any) -> None:
    """Create something unless it exists."""
    try:
        create(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ALREADY_EXISTS:
            raise
