"""What the showcase needs besides the dev stack's world: a second cluster, and one of another account."""

import base64
import json
from typing import Any

from sandbox.layout import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, Sandbox
from sandbox.progress import Progress
from sandbox.seed import CLUSTER_ROLE_TRUST, aws_client, unless_there
from sandbox.servers import (
    add_cluster,
    choose_ports,
    etcd,
    kube_apiserver,
    kube_controller_manager,
    start,
    stop_servers,
    write_access,
    write_credentials,
)

GREEN_CLUSTER, GREEN_REGION = "my-other-cluster", "us-east-1"
GREEN_ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE22222222222222222222GREEN"
DATA_CLUSTER = "data-cluster"
DATA_ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE333333333333333333333DATA"
ELSEWHERE_ISSUER = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE44444444444444444ELSEWHERE"


def second_cluster(sandbox: Sandbox) -> Sandbox:
    """Give the folder of the second cluster, which lies within the first one's."""
    return Sandbox(sandbox.folder / "green")


def start_second_cluster(sandbox: Sandbox, progress: Progress) -> Sandbox:
    """Start the second cluster's etcd, API server and controllers."""
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
    return green


def stop_second_cluster(sandbox: Sandbox, progress: Progress) -> None:
    """Stop the second cluster's servers."""
    stop_servers(second_cluster(sandbox), progress)


def seed_clusters(sandbox: Sandbox, aws_port: int) -> None:
    """Make EKS know the second cluster and the other account's one, and IAM the OIDC providers that exist."""
    green = second_cluster(sandbox)
    own = json.loads(green.clusters.read_text())[0]
    add_cluster(sandbox, {**own, "name": GREEN_CLUSTER, "region": GREEN_REGION, "issuer": GREEN_ISSUER})
    placeholder = {"endpoint": "https://127.0.0.1:1", "ca": base64.b64encode(b"no server").decode()}
    add_cluster(sandbox, {"name": DATA_CLUSTER, "region": "us-west-2", "issuer": DATA_ISSUER, **placeholder})
    role = f"arn:aws:iam::{ACCOUNT}:role/eks-cluster-role"
    eks = aws_client(sandbox, aws_port, "eks", region=GREEN_REGION)
    unless_there(eks.create_cluster, name=GREEN_CLUSTER, roleArn=role, resourcesVpcConfig={})
    iam = aws_client(sandbox, aws_port, "iam")
    unless_there(iam.create_open_id_connect_provider, Url=ELSEWHERE_ISSUER, ClientIDList=[AUDIENCE])
    unless_there(iam.create_policy, PolicyName="boundary", PolicyDocument=json.dumps(_allow_all()))
    _seed_data_account(sandbox, aws_port)


def _seed_data_account(sandbox: Sandbox, aws_port: int) -> None:
    session = aws_client(sandbox, aws_port, "sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/administrator", RoleSessionName="seed"
    )
    iam, eks = (aws_client(sandbox, aws_port, service, session["Credentials"]) for service in ("iam", "eks"))
    unless_there(iam.create_role, RoleName="deployer", AssumeRolePolicyDocument=json.dumps(CLUSTER_ROLE_TRUST))
    unless_there(iam.create_policy, PolicyName="boundary", PolicyDocument=json.dumps(_allow_all()))
    unless_there(iam.create_open_id_connect_provider, Url=DATA_ISSUER, ClientIDList=[AUDIENCE])
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/eks-cluster-role"
    unless_there(eks.create_cluster, name=DATA_CLUSTER, roleArn=role, resourcesVpcConfig={})


def _allow_all() -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
