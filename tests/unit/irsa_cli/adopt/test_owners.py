"""Who manages what was found: the marks are those that each tool's source or documentation names."""

import pytest

from irsa_cli.adopt.owners import TOOLS, Owner, letting_go, owners_of_role, owners_of_service_account
from tests.unit.irsa_cli.adopt.scene import role, service_account, statement

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
        (CDK, [Owner("cdk", "Platform")]),
        (
            {"aws:cloudformation:stack-name": "s", "aws:cloudformation:logical-id": "Role"},
            [Owner("cloudformation", "s")],
        ),
        ({"ManagedBy": "Terraform"}, [Owner("terraform")]),
        ({"managed-by": "opentofu"}, [Owner("terraform")]),
        ({"Terraform": "true"}, [Owner("terraform")]),
        ({"terraform": "false"}, []),
        ({"managed_by": "Pulumi"}, [Owner("pulumi")]),
        ({"managed_by": "the platform team"}, []),
        ({"crossplane-name": "app", "crossplane-kind": "role.iam.aws"}, [Owner("crossplane", "app")]),
    ],
)
def test_of_a_role(tags: dict[str, str], owners: list[Owner]) -> None:
    """Protects what a tool manages from a second owner, and what none does from being left."""
    assert owners_of_role(role("app", statement("a:b"), tags=tags)) == owners


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
        ({"managedFields": [{"manager": "helm"}]}, ["helm"]),
        ({"managedFields": [{"manager": "pulumi-kubernetes-0123abcd"}]}, ["pulumi"]),
        ({"managedFields": [{"manager": "kubectl-create"}, {"manager": "eksctl"}]}, []),
    ],
)
def test_of_a_service_account(metadata: dict[str, object], tools: list[str]) -> None:
    """Protects the service accounts of charts, operators and other stacks."""
    assert [each.tool for each in owners_of_service_account(service_account("app", metadata=metadata))] == tools


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_has_steps(tool: str) -> None:
    """Protects a Pod's permissions: before `pulumi up` nothing is removed, and after it the old owner lets go."""
    steps = letting_go(tool, ["x"], [service_account("app")])

    assert steps.before
    assert steps.after
    assert not [each for each in steps.before if "delete-stack" in each or "state rm" in each or "uninstall" in each]


def test_eksctl_lets_go_of_the_stack_at_last() -> None:
    """Protects the role: it is retained before its stack is deleted, and the service account loses eksctl's label."""
    before, after = letting_go("eksctl", ["s"], [service_account("app")])

    assert before == [
        "aws cloudformation get-template --stack-name s --query TemplateBody > template.json",
        'in that template, add "DeletionPolicy": "Retain" to the role and to its policies',
        (
            "aws cloudformation update-stack --stack-name s --template-body file://template.json "
            "--capabilities CAPABILITY_NAMED_IAM"
        ),
        "kubectl label serviceaccount app app.kubernetes.io/managed-by- -n team-a",
    ]
    assert after[-1] == "aws cloudformation delete-stack --stack-name s"


def test_hostile_names_are_quoted() -> None:
    """Protects a shell from the name of a stack that somebody chose."""
    before, _ = letting_go("cloudformation", ["$(reboot)"], [])

    assert "--stack-name '$(reboot)'" in before[0]
