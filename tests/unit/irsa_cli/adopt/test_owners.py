"""Who manages what was found: the marks are those that each tool's source or documentation names."""

import re

import pytest

from irsa_cli.adopt.owners import Owner, owners_of_role, owners_of_service_account
from irsa_cli.adopt.work import PAGE
from tests.unit.irsa_cli.adopt.scene import role, service_account, statement
from tests.unit.test_links import ROOT, anchors

EKSCTL = {
    "alpha.eksctl.io/cluster-name": "blue",
    "alpha.eksctl.io/iamserviceaccount-name": "team-a/app",
    "aws:cloudformation:stack-name": "eksctl-blue-addon-iamserviceaccount-team-a-app",
    "aws:cloudformation:logical-id": "Role1",
}
CDK = {"aws:cloudformation:stack-name": "Platform", "aws:cloudformation:logical-id": "ClusterAppRoleD8E1A2B3"}


@pytest.mark.parametrize(
    ("tags", "owners"),
    [
        ({}, []),
        ({"team": "terraform"}, []),
        (EKSCTL, [Owner("eksctl", "eksctl-blue-addon-iamserviceaccount-team-a-app")]),
        (CDK, [Owner("cloudformation", "Platform")]),
        ({"Managed-By": "OpenTofu"}, [Owner("terraform")]),
        ({"managed-by": "aws-cdk"}, [Owner("cloudformation")]),
        ({"Terraform": "true"}, [Owner("terraform")]),
        ({"terraform": "false"}, []),
        ({"managed_by": "Pulumi"}, [Owner("pulumi")]),
        ({"managed_by": "the platform team"}, []),
        ({"crossplane-name": "app", "crossplane-kind": "role.iam.aws"}, [Owner("crossplane", "app")]),
        ({"services.k8s.aws/controller-version": "iam-v1"}, [Owner("ack")]),
        # The name of the stack is derived from the others.
        (
            {"alpha.eksctl.io/cluster-name": "prod", "alpha.eksctl.io/iamserviceaccount-name": "kube-system/ebs-csi"},
            [Owner("eksctl", "eksctl-prod-addon-iamserviceaccount-kube-system-ebs-csi")],
        ),
    ],
)
def test_of_a_role(tags: dict[str, str], owners: list[Owner]) -> None:
    assert owners_of_role(role("app", statement("a:b"), tags=tags)) == owners
    # A tag says more than a name.
    if tags and owners:
        assert owners_of_role(role("billing-InvoiceRole-1X9QK2M4P7RTB", statement("a:b"), tags=tags)) == owners


@pytest.mark.parametrize(
    ("metadata", "tools"),
    [
        ({}, []),
        ({"labels": {"app.kubernetes.io/managed-by": "eksctl"}}, ["eksctl"]),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "r"}},
            ["helm"],
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "my-operator"}}, ["my-operator"]),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, ["argocd"]),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, ["flux"]),
        ({"managedFields": [{"manager": "eks"}]}, ["eks-add-on"]),
        ({"managedFields": [{"manager": "Terraform"}]}, ["terraform"]),
        # The user agent of Terraform's provider is `HashiCorp/1.0 Terraform/...`; Kubernetes takes it up to the slash.
        ({"managedFields": [{"manager": "HashiCorp"}]}, ["terraform"]),
        ({"managedFields": [{"manager": "argocd-application-controller"}]}, ["argocd"]),
        ({"managedFields": [{"manager": "helm"}]}, ["helm"]),
        ({"managedFields": [{"manager": "pulumi-kubernetes-0123abcd"}]}, ["pulumi"]),
        ({"managedFields": [{"manager": "kubectl-create"}, {"manager": "eksctl"}]}, []),
    ],
)
def test_of_a_service_account(metadata: dict[str, object], tools: list[str]) -> None:
    assert [each.tool for each in owners_of_service_account(service_account("app", metadata=metadata))] == tools


@pytest.mark.parametrize(
    ("manager", "owners"), [("HashiCorp", [Owner("terraform", by="its service account")]), ("helm", [])]
)
def test_of_a_role_by_its_service_account(manager: str, owners: list[Owner]) -> None:
    annotated = service_account("app", metadata={"managedFields": [{"manager": manager}]})

    assert owners_of_role(role("app", statement("a:b")), [annotated]) == owners
    assert owners_of_role(role("app", statement("a:b"), tags={"crossplane-name": "x"}), [annotated]) == [
        Owner("crossplane", "x")
    ]


def test_the_page_of_how_a_tool_lets_go_is_there() -> None:
    page, _, anchor = PAGE.partition("#")

    assert anchor in anchors(ROOT / page)


@pytest.mark.parametrize("page", ["docs/guides/from-eksctl.md", "docs/adopt.md"])
def test_the_commands_name_the_cluster(page: str) -> None:
    commands = re.findall(r"^\$ kubectl .*", (ROOT / page).read_text(), re.MULTILINE)

    assert commands
    assert [each for each in commands if "--context " not in each] == []


# CloudFormation puts no tag of its own on roles:
# https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/277
@pytest.mark.parametrize(
    ("name", "is_mark"),
    [
        # Of a template, before and after CloudFormation began to mix letter case; of the CDK, whose IDs end in a hash.
        ("billing-InvoiceRole-1X9QK2M4P7RTB", True),
        ("ChineseboostAnalyticsStac-RainlyticsSummariesJobFun-UjecjFhpdr1d", True),
        ("EksStack-UploadsRole7D1C4A0B-Khm3TJWefsFC", True),
        ("my-role", False),
        ("team-a-description12", False),
        ("karpenter-20250318071504123400000001", False),
        ("app-web-202511261200", False),
        ("app-web-9f8e7d6c5b4a", False),
        ("InvoiceRole-1X9QK2M4P7RTB", False),
    ],
)
def test_a_generated_name_is_a_mark(name: str, is_mark: bool) -> None:
    found = owners_of_role(role(name, statement("team-a:app")))

    assert [*map(str, found)] == ["cloudformation, by its name"] * is_mark
