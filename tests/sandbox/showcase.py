"""The stack that uses every key, Pulumi.showcase.yaml, and what it needs besides both clusters."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox.irsa_command import ACCOUNT, ROLE_ARN
from tests.sandbox.live import create_role, web_identity
from tests.sandbox.project import ROOT, STACK, Project, Stack
from tests.sandbox.test_clusters_and_accounts import platform_stack
from tests.world import of_pods


def showcase(cloud: Any, green: str, folder: Path, config: Mapping[str, Any]) -> tuple[Stack, Project]:
    """Make what the stack adopts, deploy the stack that it reads, and return that one and the stack itself."""
    _make_by_hand(cloud)
    platform = platform_stack(cloud, folder / "platform")
    platform.up()
    variables = {"PULUMI_BACKEND_URL": platform.variables["PULUMI_BACKEND_URL"]}
    project = Project(cloud, folder / "project", {}, variables=variables)
    (project.folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))
    kubeconfig = project.folder / ".sandbox" / "green" / "kubeconfig"
    kubeconfig.parent.mkdir(parents=True)
    shutil.copy(green, kubeconfig)
    return platform, project


def _make_by_hand(cloud: Any) -> None:
    """Create a role, its policies, association and service account as an administrator would."""
    iam, eks = cloud.aws("iam"), cloud.aws("eks")
    document, tags = (ROOT / "policies" / "my-policy.json").read_text(), {"team": "payments", "managed-by": "irsa"}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = iam.create_policy(PolicyName="by-hand-policy", Path="/irsa/", PolicyDocument=document, Tags=listed)
    settings = {
        "Path": "/irsa/",
        "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "MaxSessionDuration": 7200,
        "Tags": listed,
    }
    cluster_arn = eks.describe_cluster(name="my-cluster")["cluster"]["arn"]
    pods = of_pods(cluster_arn, "default", "by-hand")
    role = create_role(iam, "by-hand-role", web_identity("default:by-hand"), pods, **settings)
    iam.attach_role_policy(RoleName="by-hand-role", PolicyArn=made["Policy"]["Arn"])
    iam.put_role_policy(RoleName="by-hand-role", PolicyName="by-hand-inline", PolicyDocument=document)
    place = {"clusterName": "my-cluster", "namespace": "default", "serviceAccount": "by-hand"}
    # The association's ID comes from the token (sandbox/pod_identity.py).
    eks.create_pod_identity_association(**place, roleArn=role, tags=tags, clientRequestToken="by-hand")
    annotations = {
        ROLE_ARN: role,
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "eks.amazonaws.com/token-expiration": "3600",
    }
    metadata = ObjectMeta(name="by-hand", namespace="default", annotations=annotations)
    cloud.kubernetes().apply(ServiceAccount(metadata=metadata), field_manager="by-hand")
