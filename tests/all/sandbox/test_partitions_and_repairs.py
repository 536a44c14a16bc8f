from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.live import allowing, attached
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]


PARTITIONS = {
    "aws": ("us-west-2", "oidc-eks.us-west-2.api.aws"),
    "aws-cn": ("cn-north-1", "oidc.eks.cn-north-1.amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "oidc.eks.us-gov-west-1.amazonaws.com"),
}


def test_every_partition(deploy: Deploy, cloud: Any, tmp_path: Path) -> None:
    """Protects tf-eks#1704 and #2700: ARNs of the partition, dual-stack issuers, the audience as in every partition."""
    issuers = {
        partition: f"{host}/id/EXAMPLE666666666666666666666666PART" for partition, (_, host) in PARTITIONS.items()
    }
    bindings = {
        partition: {
            # That of one partition is the AWS account of the stack itself.
            **({} if partition == "aws-cn" else {"account": partition}),
            "clusters": [partition],
            "role": {"name": f"partition-{partition}"},
            "policyArns": ["arn:${partition}:iam::aws:policy/AmazonSQSReadOnlyAccess"],
            "policy": {"document": allowing("arn:${partition}:s3:::my-pod-secrets-bucket")},
            "trust": {"subjects": ["a:b"]},
        }
        for partition in PARTITIONS
    }
    clusters = {
        partition: {"oidcIssuer": f"https://{issuer}", "createOidcProvider": True}
        for partition, issuer in issuers.items()
    }
    accounts = {
        partition: {"profile": "partitions", "region": region}
        for partition, (region, _) in PARTITIONS.items()
        if partition != "aws-cn"
    }
    credentials = tmp_path / "credentials"
    keys = {f"aws_{key}": cloud.environment()[f"AWS_{key.upper()}"] for key in ("access_key_id", "secret_access_key")}
    credentials.write_text("[partitions]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
    settings = {"accounts": accounts, "clusters": clusters, "bindings": bindings}
    stack = deploy(settings, PARTITIONS["aws-cn"][0], AWS_SHARED_CREDENTIALS_FILE=str(credentials))
    stack.up()
    trusts = {each["outputs"]["name"]: each["outputs"]["assumeRolePolicy"] for each in stack.resources("Role").values()}

    for partition, issuer in issuers.items():
        output, trust = stack.outputs()["bindings"][partition], trusts[f"partition-{partition}"]
        assert output["roleArn"] == f"arn:{partition}:iam::111122223333:role/partition-{partition}"
        assert f"arn:{partition}:iam::aws:policy/AmazonSQSReadOnlyAccess" in output["policyArns"]
        assert f'"Federated":"arn:{partition}:iam::111122223333:oidc-provider/{issuer}"' in trust
        assert f'"{issuer}:aud":"sts.amazonaws.com"' in trust
    assert stack.up() == {}


def test_what_other_tools_leave_broken_or_take_away(deploy: Deploy, cloud: Any) -> None:
    """Guards against defects of eksctl.

    - #2901 and #4981: a failed creation leaves debris on which every retry fails.
    - the tag map rebuilt inside the loop, so that only the last tag survives.
    - #6625 and #5874: an update that detaches policies which it did not attach.
    """
    iam = cloud.aws("iam")
    tags = {f"tag-{index}": str(index) for index in range(20)}
    sqs, sns, foreign = (f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "SNS", "S3"))
    retried = {
        "serviceAccount": {"name": "app", "namespace": "later"},
        "role": {"name": "retry-role"},
        "policy": {"name": "retry-policy", "file": "policies/my-policy.json"},
    }
    of_team = {
        "role": {"name": "foreign-role", "forceDetachPolicies": True},
        "trust": {"subjects": ["team-a:worker"]},
        "policyArns": [sqs],
    }
    settings = {"defaults": {"tags": tags}, "bindings": {"retried": retried, "attached": of_team}}
    stack = deploy(settings)
    assert 'namespaces "later" not found' in stack.refused("up", "--yes", "--skip-preview", "--continue-on-error")

    assert cloud.kubectl("create", "namespace", "later").returncode == 0
    assert stack.up() == {"create": 1}
    assert cloud.kubectl("get", "sa", "app", "-n", "later").returncode == 0
    assert {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName="foreign-role")["Tags"]} == tags

    iam.attach_role_policy(RoleName="foreign-role", PolicyArn=foreign)
    stack.set({**settings, "bindings": {"retried": retried, "attached": {**of_team, "policyArns": [sns]}}})
    stack.up("--refresh")
    assert attached(iam, "foreign-role") == {foreign, sns}
    assert stack.up() == {}


def test_a_namespace_of_an_earlier_version_stays(deploy: Callable[..., Project], cloud: Any) -> None:
    """Protects all that is in it: a state whose namespace was to be deleted with the stack shows 0 changes.

    An alias of another type: https://www.pulumi.com/docs/iac/concepts/resources/options/aliases/
    """
    account = {"name": "kept", "namespace": "earlier", "createNamespace": True}
    stack = deploy({"bindings": {"kept": {"serviceAccount": account, "policyArns": []}}})
    stack.up()
    state = stack.folder / "state.json"
    stack.pulumi("stack", "export", "--file", str(state))
    state.write_text(state.read_text().replace("core/v1:NamespacePatch", "core/v1:Namespace"))
    stack.pulumi("stack", "import", "--file", str(state))
    assert len(stack.resources("Namespace")) == 1

    assert stack.up() == {}
    assert len(stack.resources("NamespacePatch")) == 1
    stack.destroy()
    assert cloud.kubectl("get", "namespace", "earlier").returncode == 0
