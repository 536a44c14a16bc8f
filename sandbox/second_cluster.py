"""A second cluster beside the first one, with an API server of its own, and a cluster in another AWS account."""

import base64
import json
from typing import Any

from sandbox.layout import AUDIENCE, AWS_ACCOUNT, OTHER_AWS_ACCOUNT, Sandbox
from sandbox.seed import (
    CLUSTER_ROLE_TRUST,
    POD_IDENTITY_AGENT,
    aws_client,
    create_if_missing,
    of_other_account,
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


def second_cluster(sandbox: Sandbox) -> Sandbox:
    """Return the sandbox of the second cluster; its folder is inside of the first one's."""
    return Sandbox(sandbox.folder / "green")


def start_second_cluster(sandbox: Sandbox, progress: StepProgress) -> Sandbox:
    """Start the second cluster's servers; the AWS API is the first one's."""
    green = second_cluster(sandbox)
    green.prepare()
    if not green.programs.is_symlink():
        green.programs.rmdir()
        green.programs.symlink_to(sandbox.programs)
    ports = choose_ports(green, progress)
    write_credentials(green)
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
    iam, eks = (of_other_account(sandbox, aws_port, service) for service in ("iam", "eks"))
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
