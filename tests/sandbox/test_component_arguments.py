"""The component in somebody's own program, on the real engine: outputs as inputs, and refusals in words."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ISSUER, PROVIDER
from tests.sandbox.project import STACK, Stack

pytestmark = pytest.mark.sandbox

PROGRAM = f"""
import pulumi
import pulumi_kubernetes as kubernetes
from irsa import ServiceAccountRole

namespace = kubernetes.core.v1.Namespace("outputs")
args = {{
    "service_account": {{"name": "app", "namespace": namespace.metadata.name}},
    "oidc_provider_arns": ["{PROVIDER}"],
    "role": {{"name": "outputs-role"}},
    "policy": {{"document": {{"Version": "2012-10-17", "Statement": {{
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}}}}}},
}}
"""
CLUSTER_ARN = "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster"
CREATE = '\nServiceAccountRole("app", args)\n'


@pytest.fixture
def write(cloud: Any, tmp_path: Path) -> Iterator[Callable[[str], Stack]]:
    """Write a program that changes the arguments, and give its stack."""
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "somebody", "runtime": runtime}))
    stack = Stack(cloud, tmp_path)
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2"}}))

    def write(change: str) -> Stack:
        (tmp_path / "__main__.py").write_text(PROGRAM + change + CREATE)
        return stack

    yield write
    stack.clean_up()


def test_a_namespace_resource_names_the_namespace(write: Callable[[str], Stack], cloud: Any) -> None:
    stack = write("")
    stack.up()
    (namespace,) = stack.resources("Namespace").values()
    trust = cloud.aws("iam").get_role(RoleName="outputs-role")["Role"]["AssumeRolePolicyDocument"]

    assert trust["Statement"][0]["Condition"]["StringEquals"] == {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": f"system:serviceaccount:{namespace['outputs']['metadata']['name']}:app",
    }
    assert stack.up() == {}


def test_the_stages_to_pod_identity_and_back(write: Callable[[str], Stack], cloud: Any) -> None:
    eks = cloud.aws("eks")
    stages: list[tuple[Any, dict[str, int] | None, dict[str, str]]] = [
        ({"irsa": "trusted", "podIdentity": "used"}, None, {"blue": "cluster.arn"}),
        ("podIdentity", {"update": 1}, {"blue": "cluster.arn"}),
        ({"irsa": "used", "podIdentity": "trusted"}, {"delete": 1, "update": 2}, {"blue": "cluster.arn"}),
        ("irsa", {"update": 1}, {}),
    ]
    for identity, changes, clusters in stages:
        arns = f"{{{', '.join(f'{key!r}: {arn}' for key, arn in clusters.items())}}}"
        lines = ["import pulumi_aws", "cluster = pulumi_aws.eks.get_cluster_output(name='my-cluster')"]
        lines += [f"args['identity'] = {identity!r}", *([f"args['cluster_arns'] = {arns}"] if clusters else [])]
        lines += ["del args['oidc_provider_arns']"] if identity == "podIdentity" else []
        stack = write("\n".join(lines))
        happened = stack.up()
        assert changes in (None, happened)
        listed = eks.list_pod_identity_associations(clusterName="my-cluster", serviceAccount="app")["associations"]
        assert len(listed) == (identity not in ("irsa", {"irsa": "used", "podIdentity": "trusted"}))
    assert stack.up() == {}


MISTAKES = {
    'args["role"]["permisions_boundary"] = "x"': ["role.permisions_boundary", "did you mean 'permissions_boundary'?"],
    'args["role_name_prefix"] = "x"': ["role_name_prefix", "it is role.name_prefix now"],
    'args["inline_policies"] = {"own": {"Statement": []}}': ["under inline_policies.own.document"],
    'args["service_account"]["create"] = pulumi.Output.from_input(True)': ["service_account.create", "an output"],
    'args["trust"] = {"subjects": [f"{namespace.metadata.name}:x"]}': ["trust.subjects[0]", "pulumi.Output.format"],
    'args["policy"]["document"]["Statement"]["Efect"] = "Deny"': [
        "policy.document.Statement.Efect",
        "did you mean 'Effect'?",
    ],
}


def test_a_mistake_is_refused_before_anything_is_made(write: Callable[[str], Stack]) -> None:
    said = write("\n".join(MISTAKES)).refused("preview")

    for words in MISTAKES.values():
        for word in words:
            assert word in said
    assert "outputs-role" not in said


def test_an_output_that_is_wrong_is_refused_by_its_argument(write: Callable[[str], Stack], cloud: Any) -> None:
    stack = write('args["role"]["name"] = namespace.id.apply(lambda id: f"not a {id}")')
    stack.pulumi("preview")
    said = stack.refused("up", "--yes", "--skip-preview")

    assert "role.name" in said
    assert "is not an IAM role name" in said
    assert "do:" in said


def test_a_role_of_another_aws_account_than_its_cluster(write: Callable[[str], Stack]) -> None:
    """Protects from half an `up`: EKS would refuse the association when policy and role are there.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    stack = write(
        f"""
import functools
import pulumi_aws as aws
roles = [aws.ProviderAssumeRoleArgs(role_arn="arn:aws:iam::444455556666:role/administrator")]
there = aws.Provider("there", region="us-west-2", assume_roles=roles)
ServiceAccountRole = functools.partial(ServiceAccountRole, opts=pulumi.ResourceOptions(providers=[there]))
del args["oidc_provider_arns"]
args |= {{"identity": "podIdentity", "cluster_arns": {{"a": "{CLUSTER_ARN}"}}}}
"""
    )
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        said = stack.refused(*command)
        assert "cluster_arns" in said
        assert "444455556666" in said
    assert [each["type"] for each in stack.state() if ":iam/" in each["type"]] == []
