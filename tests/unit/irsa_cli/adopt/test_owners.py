"""Who manages what was found: the marks are those that each tool's source or documentation names."""

import pytest

from irsa_cli.adopt.owners import TOOLS, Owner, Taken, letting_go, owners_of_role, owners_of_service_account
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
        # The user agent of Terraform's provider is `HashiCorp/1.0 Terraform/...`; Kubernetes takes it up to the slash.
        ({"managedFields": [{"manager": "HashiCorp"}]}, ["terraform"]),
        ({"managedFields": [{"manager": "argocd-application-controller"}]}, ["argocd"]),
        ({"managedFields": [{"manager": "helm"}]}, ["helm"]),
        ({"managedFields": [{"manager": "pulumi-kubernetes-0123abcd"}]}, ["pulumi"]),
        ({"managedFields": [{"manager": "kubectl-create"}, {"manager": "eksctl"}]}, []),
    ],
)
def test_of_a_service_account(metadata: dict[str, object], tools: list[str]) -> None:
    """Protects the service accounts of charts, operators and other stacks."""
    assert [each.tool for each in owners_of_service_account(service_account("app", metadata=metadata))] == tools


@pytest.mark.parametrize(
    ("manager", "owners"),
    [
        ("HashiCorp", [Owner("terraform", by="its service account")]),
        ("pulumi-kubernetes-0123abcd", [Owner("pulumi", by="its service account")]),
        ("helm", []),
        ("kubectl-create", []),
    ],
)
def test_of_a_role_by_its_service_account(manager: str, owners: list[Owner]) -> None:
    """Protects the roles of another stack, which often have no tag: who creates the account creates its role, too."""
    annotated = service_account("app", metadata={"managedFields": [{"manager": manager}]})

    assert owners_of_role(role("app", statement("a:b")), [annotated]) == owners
    assert owners_of_role(role("app", statement("a:b"), tags={"crossplane-name": "x"}), [annotated]) == [
        Owner("crossplane", "x")
    ]


CONTEXTS = {"blue": "blue", "green": "arn:aws:eks:us-west-2:111122223333:cluster/green"}


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_has_steps(tool: str) -> None:
    """Protects a Pod's permissions: before `pulumi up` nothing is removed, and after it the old owner lets go."""
    steps = letting_go(tool, Taken(["x"], service_accounts=[service_account("app")], contexts=CONTEXTS))

    assert steps.before
    assert steps.after
    assert not [each for each in steps.before if "delete-stack" in each or "state rm" in each or "uninstall" in each]


def test_terraform_destroys_no_policy_with_its_module() -> None:
    """Protects policies that irsa does not take over: they leave the state with their module, before it is removed.

    https://developer.hashicorp.com/terraform/language/resources/syntax#removing-resources
    """
    _, after = letting_go("terraform", Taken([], service_accounts=[]))
    forgets, removes = after[-2:]

    assert "state rm" in forgets
    assert "policies that go with its module" in forgets
    assert "`terraform plan` must destroy nothing" in removes


def test_eksctl_lets_go_of_the_stack_at_last() -> None:
    """Protects the role: its stack is deleted when the update that retains it is done, and the template says so."""
    before, after = letting_go("eksctl", Taken(["s"], service_accounts=[service_account("app")], contexts=CONTEXTS))

    assert before == [
        "aws cloudformation get-template --stack-name s --query TemplateBody > s.json",
        'in s.json, add "DeletionPolicy": "Retain" beside the "Type" of the role and of each policy',
        (
            "aws cloudformation update-stack --stack-name s --template-body file://s.json "
            "--capabilities CAPABILITY_NAMED_IAM && aws cloudformation wait stack-update-complete --stack-name s"
        ),
        "kubectl label serviceaccount app app.kubernetes.io/managed-by- -n team-a --context blue",
    ]
    assert after[-3:] == [
        "go on only if the next command prints nothing: it lists what would be deleted with the stack",
        (
            "aws cloudformation get-template --stack-name s --query "
            "'values(TemplateBody.Resources)[?DeletionPolicy!='\"'\"'Retain'\"'\"'].Type' --output text"
        ),
        "aws cloudformation delete-stack --stack-name s",
    ]


@pytest.mark.parametrize("tool", ["eksctl", "helm"])
def test_the_commands_name_the_cluster(tool: str) -> None:
    """Protects the accounts of the current context: with two clusters, each command is for that of its account."""
    of_two = [
        service_account("app"),
        service_account("app", cluster="green"),
        service_account("app", cluster="by-name"),
    ]
    before, after = letting_go(tool, Taken(service_accounts=of_two, contexts={**CONTEXTS, "by-name": None}))
    commands = [each for each in (*before, *after) if "kubectl" in each]

    assert commands
    assert len(commands) % len(of_two) == 0
    for blue, green, by_name in zip(*[iter(commands)] * len(of_two), strict=True):
        assert "--context blue" in blue
        assert f"--context {CONTEXTS['green']}" in green
        assert by_name.startswith("in cluster by-name: kubectl ")
        assert "--context" not in by_name


@pytest.mark.parametrize("tool", ["cloudformation", "cdk"])
def test_only_eksctls_stacks_are_updated_by_a_command(tool: str) -> None:
    """Protects the stacks of others: a template may be YAML, and a plain update resets the parameters."""
    before, after = letting_go(tool, Taken(["s"], ["unknown"]))

    assert not [each for each in (*before, *after) if "update-stack" in each or "get-template" in each]
    assert any("Retain" in each or "RETAIN" in each for each in before)


@pytest.mark.parametrize("tool", ["eksctl", "cloudformation", "cdk"])
def test_a_role_of_an_unknown_stack_has_its_steps_beside_a_known_one(tool: str) -> None:
    """Protects a role from being deleted with its stack: it is found, retained and let go of by its name."""
    before, after = letting_go(tool, Taken(["known"], ["role-1"]))
    retain = [each for each in before if "retain" in each.lower()]

    assert any("describe-stack-resources --physical-resource-id role-1 " in each for each in before)
    for name in ("known", "role-1"):
        assert any(name in each for each in retain), name
        assert any(name in each for each in after), name


def test_hostile_names_are_quoted() -> None:
    """Protects a shell from the name of a role or stack that somebody chose."""
    before, after = letting_go("eksctl", Taken(["$(reboot)"], ["$(halt)"]))
    commands = [each for each in (*before, *after) if each.startswith("aws ")]

    assert not [each for each in commands if "$(reboot)" in each]
    assert "--physical-resource-id '$(halt)' " in before[0]
