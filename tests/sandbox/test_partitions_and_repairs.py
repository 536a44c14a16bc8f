"""Partitions of AWS, and what other tools leave broken or take away, with the real engine."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]


def reading(resource: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "us-west-2", "oidc-eks.us-west-2.api.aws"),
        ("aws-cn", "cn-north-1", "oidc.eks.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "oidc.eks.us-gov-west-1.amazonaws.com"),
    ],
)
def test_every_partition(deploy: Deploy, partition: str, region: str, host: str) -> None:
    """Protects tf-eks#1704 and #2700: ARNs of the partition, dual-stack issuers, the audience as in every partition."""
    issuer = f"{host}/id/EXAMPLE666666666666666666666666PART"
    binding = {
        "role": {"name": "partition-role"},
        "policyArns": ["arn:${partition}:iam::aws:policy/AmazonSQSReadOnlyAccess"],
        "policy": {"document": reading("arn:${partition}:s3:::my-pod-secrets-bucket")},
        "trust": {"subjects": ["a:b"]},
    }
    cluster = {"oidcIssuer": f"https://{issuer}", "createOidcProvider": True}
    stack = deploy({"cluster": cluster, "bindings": {"app": binding}}, region=region)
    stack.up()
    output = stack.outputs()["bindings"]["app"]
    (role,) = stack.resources("Role").values()

    assert output["roleArn"] == f"arn:{partition}:iam::111122223333:role/partition-role"
    assert f"arn:{partition}:iam::aws:policy/AmazonSQSReadOnlyAccess" in output["policyArns"]
    assert (
        f'"Federated":"arn:{partition}:iam::111122223333:oidc-provider/{issuer}"' in role["outputs"]["assumeRolePolicy"]
    )
    assert f'"{issuer}:aud":"sts.amazonaws.com"' in role["outputs"]["assumeRolePolicy"]
    assert stack.up() == {}


def test_policies_of_others_stay_attached(deploy: Deploy, cloud: Any) -> None:
    """Guards against eksctl#6625 and #5874: an update that detaches policies which it did not attach."""
    iam = cloud.aws("iam")
    foreign = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    binding = {
        "serviceAccount": {"name": "app"},
        "role": {"name": "foreign-role", "forceDetachPolicies": True},
        "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"],
    }
    stack = deploy({"bindings": {"app": binding}})
    stack.up()
    iam.attach_role_policy(RoleName="foreign-role", PolicyArn=foreign)
    changed = {**binding, "policyArns": ["arn:aws:iam::aws:policy/AmazonSNSReadOnlyAccess"]}
    stack.set({"bindings": {"app": changed}})
    stack.up("--refresh")

    attached = {p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName="foreign-role")["AttachedPolicies"]}
    assert attached == {foreign, "arn:aws:iam::aws:policy/AmazonSNSReadOnlyAccess"}


def test_a_failed_up_goes_on_where_it_failed(deploy: Deploy, cloud: Any) -> None:
    """Guards against eksctl#2901 and #4981: a failed creation leaves debris on which every retry fails."""
    binding = {"role": {"name": "retry-role"}, "policy": {"name": "retry-policy", "file": "policies/my-policy.json"}}
    service_account = {"name": "app", "namespace": "later"}
    stack = deploy({"bindings": {"app": {**binding, "serviceAccount": service_account}}})
    assert 'namespaces "later" not found' in stack.refused("up", "--yes", "--skip-preview")

    assert cloud.kubectl("create", "namespace", "later").returncode == 0
    assert stack.up() == {"create": 1}
    assert stack.up() == {}
    assert cloud.kubectl("get", "sa", "app", "-n", "later").returncode == 0


def test_every_default_tag_arrives(deploy: Deploy, cloud: Any) -> None:
    """Guards against eksctl's defect: the tag map rebuilt inside the loop, so that only the last tag survives."""
    tags = {f"tag-{index}": str(index) for index in range(20)}
    stack = deploy(
        {
            "defaults": {"tags": tags},
            "bindings": {"app": {"serviceAccount": {"name": "app"}, "role": {"name": "tagged"}}},
        }
    )
    stack.up()

    assert {tag["Key"]: tag["Value"] for tag in cloud.aws("iam").list_role_tags(RoleName="tagged")["Tags"]} == tags
