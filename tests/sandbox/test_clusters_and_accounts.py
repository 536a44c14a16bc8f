"""Several clusters and accounts in one stack, and the component in stacks of others, through the real engine."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.showcase import (
    DATA_ISSUER,
    ELSEWHERE_ISSUER,
    GREEN_ISSUER,
)
from tests.sandbox.project import ROOT, Project, Stack, blue_and_green

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ROLE_ARN_KEY = "eks.amazonaws.com/role-arn"
OTHER = "444455556666"


def provider_arn(issuer: str, aws_account: str = "111122223333") -> str:
    return f"arn:aws:iam::{aws_account}:oidc-provider/{issuer.removeprefix('https://')}"


@pytest.fixture
def iam(cloud: Any) -> Any:
    return cloud.aws("iam")


@pytest.fixture
def other_iam(cloud: Any) -> Any:
    role = f"arn:aws:iam::{OTHER}:role/administrator"
    session = cloud.aws("sts").assume_role(RoleArn=role, RoleSessionName="test")
    return cloud.aws("iam", session["Credentials"])


def service_account(cloud: Any, name: str, *options: str) -> dict[str, Any]:
    answer = cloud.kubectl("get", "serviceaccount", name, "-o", "json", *options)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_one_role_for_a_blue_and_a_green_cluster(deploy: Deploy, green: str, iam: Any, cloud: Any) -> None:
    """Protects containers-roadmap#1408: one role, a statement per OIDC provider, a service account per cluster."""
    clusters = blue_and_green(green)
    binding = {"serviceAccount": {"name": "both"}, "role": {"name": "both-role"}}
    stack = deploy({"clusters": {"blue": clusters["blue"]}, "bindings": {"app": binding}})
    stack.up()
    role_id = iam.get_role(RoleName="both-role")["Role"]["RoleId"]
    stack.set({"clusters": clusters, "bindings": {"app": binding}})
    changes = stack.up()

    statements = iam.get_role(RoleName="both-role")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert sorted(s["Principal"]["Federated"] for s in statements) == sorted(
        [provider_arn(ISSUER), provider_arn(GREEN_ISSUER)]
    )
    assert iam.get_role(RoleName="both-role")["Role"]["RoleId"] == role_id
    assert "replace" not in changes
    created = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn(GREEN_ISSUER))
    assert created["ClientIDList"] == ["sts.amazonaws.com"]
    for kubeconfig in ((), ("--kubeconfig", green)):
        found = service_account(cloud, "both", *kubeconfig)
        assert found["metadata"]["annotations"] == {ROLE_ARN_KEY: "arn:aws:iam::111122223333:role/both-role"}
    assert stack.up() == {}

    # Blue goes: its statement and its service account go, green's stay as they are.
    stack.set({"clusters": clusters, "bindings": {"app": {**binding, "clusters": ["green"]}}})
    assert "replace" not in stack.up()
    assert cloud.kubectl("get", "sa", "both").returncode != 0
    assert service_account(cloud, "both", "--kubeconfig", green)


def test_clusters_and_roles_wherever_they_are(deploy: Deploy, green: str, iam: Any, other_iam: Any, cloud: Any) -> None:
    """Protects stacks across AWS accounts.

    - data: the cross-account page's first way: the role is there, trusted through that account's own provider.
    - there: a cluster and its roles that both live elsewhere: EKS is asked with that account's credentials.
    - elsewhere: a cluster that EKS can't be asked for: issuer and provider are set.
    """
    role = {"name": "data-role", "permissionsBoundary": "arn:${partition}:iam::${account}:policy/boundary"}
    known = {"oidcIssuer": ELSEWHERE_ISSUER, "oidcProviderArn": provider_arn(ELSEWHERE_ISSUER)}
    settings: dict[str, Any] = {
        "accounts": {"data": {"assumeRoleArn": f"arn:aws:iam::{OTHER}:role/deployer"}},
        "clusters": {
            "blue": {"name": "my-cluster"},
            "data": {"name": "data-cluster", "account": "data"},
            "elsewhere": known,
        },
        "bindings": {
            "data": {
                "account": "data",
                "clusters": ["blue"],
                "serviceAccount": {"name": "data"},
                "role": role,
                "policy": {"name": "data-policy", "file": "policies/my-policy.json"},
            },
            "there": {
                "account": "data",
                "clusters": ["data"],
                "role": {"name": "there"},
                "trust": {"subjects": ["a:b"]},
            },
            "elsewhere": {
                "clusters": ["elsewhere"],
                "role": {"name": "elsewhere"},
                "trust": {"subjects": ["a:b"]},
            },
        },
    }
    stack = deploy(settings)
    stack.up()
    found = other_iam.get_role(RoleName="data-role")["Role"]

    assert found["Arn"] == f"arn:aws:iam::{OTHER}:role/data-role"
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == f"arn:aws:iam::{OTHER}:policy/boundary"
    attached = other_iam.list_attached_role_policies(RoleName="data-role")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [f"arn:aws:iam::{OTHER}:policy/data-policy"]
    assert service_account(cloud, "data")["metadata"]["annotations"] == {ROLE_ARN_KEY: found["Arn"]}
    for name, client, provider in (
        ("data-role", other_iam, provider_arn(ISSUER, OTHER)),
        ("there", other_iam, provider_arn(DATA_ISSUER, OTHER)),
        ("elsewhere", iam, provider_arn(ELSEWHERE_ISSUER)),
    ):
        (statement,) = client.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Federated": provider}
    assert stack.up() == {}
    stack.set(
        {
            **settings,
            "clusters": {**settings["clusters"], "elsewhere": {**known, "oidcProviderArn": provider_arn(ISSUER)}},
        }
    )
    assert "a provider for another issuer" in stack.refused("preview")


def platform_stack(cloud: Any, folder: Path) -> Stack:
    shutil.copytree(ROOT / "examples" / "platform-stack", folder)
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text())
    project["runtime"]["options"]["virtualenv"] = str(cloud.virtualenv)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    return Stack(cloud, folder, "sandbox")


@pytest.fixture
def platform(cloud: Any, tmp_path: Path) -> Iterator[Stack]:
    stack = platform_stack(cloud, tmp_path / "platform")
    yield stack
    stack.clean_up()


def test_a_cluster_from_another_stacks_outputs(deploy: Deploy, platform: Stack, iam: Any) -> None:
    binding = {"role": {"name": "platform"}, "trust": {"subjects": ["a:b"]}}
    values = {"cluster": {"stack": "organization/platform/sandbox"}, "bindings": {"app": binding}}
    stack = deploy(values, PULUMI_BACKEND_URL=platform.variables["PULUMI_BACKEND_URL"])
    early = stack.refused("preview")
    assert "irsa:cluster.stack" in early

    platform.up()
    stack.up()
    issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE55555555555555555PLATFORM"
    (statement,) = iam.get_role(RoleName="platform")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": provider_arn(issuer)}
    assert stack.up() == {}
