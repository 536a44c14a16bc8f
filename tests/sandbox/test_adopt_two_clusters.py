"""`irsa adopt` where one role serves a blue and a green cluster, to the preview."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.showcase import GREEN_ISSUER
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, ROLE_ARN, irsa
from tests.sandbox.kubeconfigs import kubeconfig_of
from tests.sandbox.project import Project
from tests.sandbox.test_adopt import kind_of, kinds

pytestmark = pytest.mark.sandbox

GREEN = GREEN_ISSUER.removeprefix("https://")
MANAGED_BY = "app.kubernetes.io/managed-by"
# By role, the clusters whose default/NAME it trusts.
TRUSTED = {"adopted-both": (ISSUER, GREEN), "adopted-green": (GREEN,)}


def provider(issuer: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"


def statement(issuer: str, name: str) -> dict[str, Any]:
    """Return the statement of https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html."""
    claims = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": f"system:serviceaccount:default:{name}"}
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider(issuer)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }


@pytest.fixture
def kubeconfig(cloud: Any, green: str, tmp_path: Path) -> Iterator[str]:
    """Create roles and service accounts in both clusters, and yield a kubeconfig with both."""
    iam, kubeconfig = (
        cloud.aws("iam"),
        kubeconfig_of(tmp_path, {"blue": cloud.environment()["KUBECONFIG"], "green": green}),
    )
    iam.create_open_id_connect_provider(Url=GREEN_ISSUER, ClientIDList=["sts.amazonaws.com"])
    places = [("blue" if each == ISSUER else "green", name) for name, issuers in TRUSTED.items() for each in issuers]
    for name, issuers in TRUSTED.items():
        document = {"Version": "2012-10-17", "Statement": [statement(issuer, name) for issuer in issuers]}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    for context, name in places:
        where = ("--context", context, "--kubeconfig", kubeconfig)
        for words in (
            ("create", "sa", name),
            ("annotate", "sa", name, f"{ROLE_ARN}=arn:aws:iam::{ACCOUNT}:role/{name}"),
            ("label", "sa", name, f"{MANAGED_BY}=eksctl"),
        ):
            assert cloud.kubectl(*words, *where).returncode == 0
    yield kubeconfig
    for context, name in places:
        cloud.kubectl("delete", "sa", name, "--context", context, "--kubeconfig", kubeconfig)
    for name in TRUSTED:
        iam.delete_role(RoleName=name)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider(GREEN))


def test_a_preview_only_imports(cloud: Any, kubeconfig: str, tmp_path: Path) -> None:
    """Protects blue/green: each account is imported in its own cluster, the role once, and each command names one."""
    project = Project(cloud, tmp_path / "project", {}, variables={"KUBECONFIG": kubeconfig})
    contexts = ("--context", "blue", "--context", "green")
    chosen = ("--role", "adopted-*", "--take-from", "eksctl", "--output", "Pulumi.two.yaml")
    said = irsa(project, "adopt", *contexts, *chosen)
    assert said.returncode == 0, said.stdout + said.stderr

    settings = yaml.safe_load((project.folder / "Pulumi.two.yaml").read_text())["config"]
    assert {key: each["kubernetes"] for key, each in settings["irsa:clusters"].items()} == {
        "blue": {"context": "blue"},
        "green": {"context": "green"},
    }
    assert {key: each["clusters"] for key, each in settings["irsa:bindings"].items()} == {
        "default-adopted-both": ["blue", "green"],
        "default-adopted-green": ["green"],
    }
    labels = [line for line in said.stdout.splitlines() if "kubectl label" in line]
    assert sorted(line.partition("serviceaccount ")[2].partition(" ")[0] for line in labels) == [
        "adopted-both",
        "adopted-both",
        "adopted-green",
    ]
    assert sum("--context blue" in line for line in labels) == 1
    assert sum("--context green" in line for line in labels) == 2

    assert irsa(project, "check", "Pulumi.two.yaml").returncode == 0
    project.pulumi("stack", "init", "two")
    steps = json.loads(project.pulumi("preview", "--json", "--stack", "two"))["steps"]
    counted = kinds([each for each in steps if kind_of(each) in ("Role", "ServiceAccount")])
    assert counted["import", "Role"] == 2
    assert counted["import", "ServiceAccount"] == 3
    # The update of the metadata that the Kubernetes plugin makes after an import.
    assert set(counted) <= {("import", "Role"), ("import", "ServiceAccount"), ("update", "ServiceAccount")}
