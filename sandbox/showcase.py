"""The showcase, and what it needs beyond the dev stack: a second cluster, and one in another AWS account."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from sandbox.engine import irsa_in_terminal, pulumi_in_terminal, select_stack
from sandbox.layout import (
    ADMINISTRATOR,
    AUDIENCE,
    AWS_ACCOUNT,
    CHECKOUT,
    CLUSTER,
    ISSUER,
    OTHER_AWS_ACCOUNT,
    REGION,
    Sandbox,
    SandboxError,
)
from sandbox.seed import (
    CLUSTER_ROLE_TRUST,
    POD_IDENTITY_AGENT,
    aws_client,
    create_if_missing,
    kubernetes_client,
    publish_keys,
)
from sandbox.servers import (
    add_cluster,
    choose_ports,
    etcd,
    kube_apiserver,
    kube_controller_manager,
    pods,
    read_ports,
    start,
    starting_again,
    stop_servers,
    write_access,
    write_credentials,
)
from sandbox.step_progress import StepProgress

GREEN_CLUSTER, GREEN_REGION = "my-other-cluster", "us-east-1"
GREEN_ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE22222222222222222222GREEN"
DATA_CLUSTER = "data-cluster"
DATA_ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE333333333333333333333DATA"
ELSEWHERE_ISSUER = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE44444444444444444ELSEWHERE"

# The clusters of the other bindings have no API server here, and so no tokens; no Pods run here.
PROVABLE = ("adopted", "common", "everything", "existing-role", "own-audience")


def second_cluster(sandbox: Sandbox) -> Sandbox:
    """Return the sandbox of the second cluster; its folder is inside of the first one's."""
    return Sandbox(sandbox.folder / "green")


@starting_again
def start_second_cluster(sandbox: Sandbox, progress: StepProgress) -> Sandbox:
    """Start the second cluster's servers; the AWS API is the first one's."""
    green = second_cluster(sandbox)
    green.prepare()
    if not green.programs.is_symlink():
        green.programs.rmdir()
        green.programs.symlink_to(sandbox.programs)
    ports = choose_ports(green, progress)
    write_credentials(green, ports)
    for server in (etcd(green, ports), kube_apiserver(green, ports, GREEN_ISSUER)):
        start(green, server, progress)
    write_access(green, ports)
    start(green, kube_controller_manager(green, ports), progress)
    aws_port = read_ports(sandbox)["aws-api"]
    start(green, pods(green, ports, GREEN_REGION, GREEN_CLUSTER, aws_port), progress)
    return green


def stop_second_cluster(sandbox: Sandbox, progress: StepProgress) -> None:
    """Stop the second cluster's servers."""
    stop_servers(second_cluster(sandbox), progress)


def seed_clusters(sandbox: Sandbox, aws_port: int) -> None:
    """Create the second cluster and the other AWS account's in EKS, and the OIDC providers that exist in IAM."""
    green = second_cluster(sandbox)
    publish_keys(green)
    first = json.loads(green.clusters.read_text())[0]
    add_cluster(sandbox, {**first, "name": GREEN_CLUSTER, "region": GREEN_REGION, "issuer": GREEN_ISSUER})
    placeholder = {"endpoint": "https://127.0.0.1:1", "ca": base64.b64encode(b"no server").decode()}
    add_cluster(sandbox, {"name": DATA_CLUSTER, "region": "us-west-2", "issuer": DATA_ISSUER, **placeholder})
    role = f"arn:aws:iam::{AWS_ACCOUNT}:role/eks-cluster-role"
    eks = aws_client(sandbox, aws_port, "eks", region=GREEN_REGION)
    create_if_missing(eks.create_cluster, name=GREEN_CLUSTER, roleArn=role, resourcesVpcConfig={})
    create_if_missing(eks.create_addon, clusterName=GREEN_CLUSTER, addonName=POD_IDENTITY_AGENT)
    iam = aws_client(sandbox, aws_port, "iam")
    create_if_missing(iam.create_open_id_connect_provider, Url=ELSEWHERE_ISSUER, ClientIDList=[AUDIENCE])
    create_if_missing(iam.create_policy, PolicyName="boundary", PolicyDocument=json.dumps(_allow_all()))
    _seed_other_aws_account(sandbox, aws_port)


def _seed_other_aws_account(sandbox: Sandbox, aws_port: int) -> None:
    session = aws_client(sandbox, aws_port, "sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/{ADMINISTRATOR}", RoleSessionName="seed"
    )
    iam, eks = (aws_client(sandbox, aws_port, service, session["Credentials"]) for service in ("iam", "eks"))
    create_if_missing(iam.create_role, RoleName="deployer", AssumeRolePolicyDocument=json.dumps(CLUSTER_ROLE_TRUST))
    first = {"AWS": f"arn:aws:iam::{AWS_ACCOUNT}:root"}
    trusting = {"Effect": "Allow", "Principal": first, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trusting]})
    create_if_missing(iam.create_role, RoleName="target-role", AssumeRolePolicyDocument=trust)
    create_if_missing(iam.create_policy, PolicyName="boundary", PolicyDocument=json.dumps(_allow_all()))
    create_if_missing(iam.create_open_id_connect_provider, Url=DATA_ISSUER, ClientIDList=[AUDIENCE])
    role = f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/eks-cluster-role"
    create_if_missing(eks.create_cluster, name=DATA_CLUSTER, roleArn=role, resourcesVpcConfig={})
    create_if_missing(eks.create_addon, clusterName=DATA_CLUSTER, addonName=POD_IDENTITY_AGENT)


def _allow_all() -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def seed_by_hand(sandbox: Sandbox, aws_port: int) -> None:
    """Create a role, its policies and its service account as an administrator would, for the showcase to adopt."""
    iam = aws_client(sandbox, aws_port, "iam")
    document = (CHECKOUT / "policies" / "my-policy.json").read_text()
    eks = aws_client(sandbox, aws_port, "eks")
    tags = [{"Key": "team", "Value": "payments"}, {"Key": "managed-by", "Value": "irsa"}]
    issuer = ISSUER.removeprefix("https://")
    claims = {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": "system:serviceaccount:default:by-hand"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    cluster_arn = eks.describe_cluster(name=CLUSTER)["cluster"]["arn"]
    session_tags = {
        "aws:RequestTag/eks-cluster-arn": cluster_arn,
        "aws:RequestTag/kubernetes-namespace": "default",
        "aws:RequestTag/kubernetes-service-account": "by-hand",
    }
    by_pods = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": session_tags},
    }
    name, policy = "by-hand-role", f"arn:aws:iam::{AWS_ACCOUNT}:policy/irsa/by-hand-policy"
    create_if_missing(iam.create_policy, PolicyName="by-hand-policy", Path="/irsa/", PolicyDocument=document, Tags=tags)
    create_if_missing(
        iam.create_role,
        RoleName=name,
        Path="/irsa/",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement, by_pods]}),
        PermissionsBoundary=f"arn:aws:iam::{AWS_ACCOUNT}:policy/boundary",
        MaxSessionDuration=7200,
        Tags=tags,
    )
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.put_role_policy(RoleName=name, PolicyName="by-hand-inline", PolicyDocument=document)
    role_arn = f"arn:aws:iam::{AWS_ACCOUNT}:role/irsa/{name}"
    create_if_missing(
        eks.create_pod_identity_association,
        clusterName=CLUSTER,
        namespace="default",
        serviceAccount="by-hand",
        roleArn=role_arn,
        tags={tag["Key"]: tag["Value"] for tag in tags},
        # The association's ID comes from it (sandbox/pod_identity.py).
        clientRequestToken="by-hand",
    )
    annotations = {
        "eks.amazonaws.com/role-arn": role_arn,
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "eks.amazonaws.com/token-expiration": "3600",
    }
    client: Any = kubernetes_client(sandbox)
    service_account = ServiceAccount(metadata=ObjectMeta(name="by-hand", namespace="default", annotations=annotations))
    client.apply(service_account, field_manager="by-hand")


def what_exists(sandbox: Sandbox, aws_port: int) -> set[str]:
    """Return the ARNs of all roles, policies, OIDC providers and associations, and both clusters' service accounts."""
    found = set()
    session = aws_client(sandbox, aws_port, "sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/{ADMINISTRATOR}", RoleSessionName="look"
    )
    for credentials in (None, session["Credentials"]):
        iam = aws_client(sandbox, aws_port, "iam", credentials)
        found |= {role["Arn"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}
        policies = iam.get_paginator("list_policies").paginate(Scope="Local")
        found |= {policy["Arn"] for page in policies for policy in page["Policies"]}
        found |= {provider["Arn"] for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]}
    for cluster_name, region in ((CLUSTER, REGION), (GREEN_CLUSTER, GREEN_REGION)):
        eks = aws_client(sandbox, aws_port, "eks", region=region)
        pages = eks.get_paginator("list_pod_identity_associations").paginate(clusterName=cluster_name)
        found |= {each["associationArn"] for page in pages for each in page["associations"]}
    for cluster in (sandbox, second_cluster(sandbox)):
        client: Any = kubernetes_client(cluster)
        metadata = [service_account.metadata for service_account in client.list(ServiceAccount, namespace="*")]
        # Every namespace has one of that name of Kubernetes' own accord, and stays.
        found |= {f"{cluster.folder.name}: {each.namespace}/{each.name}" for each in metadata if each.name != "default"}
    return found


def show_every_key(
    sandbox: Sandbox, variables: Mapping[str, str], progress: StepProgress, project: Path = CHECKOUT
) -> None:
    """Deploy a project's Pulumi.showcase.yaml, verify and prove it, deploy it with 0 changes, destroy it to nothing.

    Raises:
        SandboxError: A step failed, the second deployment changed something, or something is left.
    """
    platform = CHECKOUT / "examples" / "platform-stack"
    port = read_ports(sandbox)["aws-api"]
    with progress.step("second cluster", "starting"):
        start_second_cluster(sandbox, progress)
        seed_clusters(sandbox, port)
    try:
        before = what_exists(sandbox, port)
        seed_by_hand(sandbox, port)
        for folder, stack in ((platform, "sandbox"), (project, "showcase")):
            select_stack(sandbox, variables, progress, stack, folder)
            # AWS may have lost what an earlier showcase, which was cut off, has in its state.
            up = ("up", "--yes", "--skip-preview", "--refresh")
            pulumi_in_terminal(sandbox, variables, *up, stack=stack, folder=folder)
        irsa_in_terminal(sandbox, variables, "verify", "--stack", "showcase", folder=project)
        prove = ("prove", "--allow-unproven", "--stack", "showcase", *PROVABLE)
        irsa_in_terminal(sandbox, variables, *prove, folder=project)
        again = ("up", "--yes", "--skip-preview", "--expect-no-changes")
        pulumi_in_terminal(sandbox, variables, *again, stack="showcase", folder=project)
        for folder, stack in ((project, "showcase"), (platform, "sandbox")):
            pulumi_in_terminal(sandbox, variables, "destroy", "--yes", "--skip-preview", stack=stack, folder=folder)
        left = what_exists(sandbox, port) - before
        if left:
            raise SandboxError(f"the destroyed showcase left behind: {', '.join(sorted(left))}")
        progress.say("Deployed, verified, proven, deployed again with 0 changes, and destroyed; its namespaces stay.")
    finally:
        stop_second_cluster(sandbox, progress)
