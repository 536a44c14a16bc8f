"""Who manages what was found: by the marks that each tool's source or documentation names, and by Pulumi's states."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.adopt.adoption import PAGE, in_stacks, owned
from irsa_cli.adopt.owners import Owner, owners_of_role, owners_of_service_account
from irsa_world.state.resource import resources_of
from tests.unit.irsa_cli.adopt.scene import AWS_ACCOUNT, role, role_arn, service_account, statement
from tests.unit.test_links import ROOT, anchors
from tests.world import program

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


@pytest.mark.parametrize("page", ["docs/guides/from-eksctl.md", "docs/commands/adopt.md"])
def test_the_commands_name_the_cluster(page: str) -> None:
    commands = re.findall(r"^\$ kubectl .*", (ROOT / page).read_text(), re.MULTILINE)

    assert commands
    assert [each for each in commands if "--context " not in each] == []


def test_a_generated_name_is_no_mark_and_the_page_says_how_to_ask_cloudformation() -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html"""
    assert owners_of_role(role("billing-InvoiceRole-1X9QK2M4P7RTB", statement("team-a:app"))) == []
    page = (ROOT / "docs/commands/adopt.md").read_text()
    assert "CloudFormation and the CDK can leave no mark" in page
    assert "aws cloudformation describe-stack-resources --physical-resource-id" in page


# --- The stacks of a backend, as `pulumi` prints their states ---------------------------------------------------------

POLICY = f"arn:aws:iam::{AWS_ACCOUNT}:policy/read"
UID = "8d3c1e0a-5d1f-4c59-9f0c-1f6a8c2b7e11"


def resource(type_: str, id_: str, outputs: Any, **more: Any) -> dict[str, Any]:
    """Return a resource as `pulumi stack export` has it: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#ResourceV3."""
    return {
        "urn": f"urn:pulumi:dev::shop::{type_}::x",
        "type": type_,
        "custom": True,
        "id": id_,
        "outputs": outputs,
        **more,
    }


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": [*resources]}}


ROLE = resource("aws:iam/role:Role", "app", {"arn": role_arn("app"), "name": "app"})


@pytest.mark.parametrize(
    "owner",
    [
        ROLE,
        # https://www.pulumi.com/registry/packages/aws-native/api-docs/iam/role/
        resource("aws-native:iam:Role", "app", {"arn": role_arn("app")}),
        # https://www.pulumi.com/registry/packages/aws-native/api-docs/iam/managedpolicy/
        resource("aws-native:iam:ManagedPolicy", POLICY, {"policyArn": POLICY}),
        resource("kubernetes:core/v1:ServiceAccount", "team-a/app", {"metadata": {"name": "app", "uid": UID}}),
        resource("kubernetes:core/v1:ServiceAccountPatch", "team-a/app", {"metadata": {"name": "app", "uid": UID}}),
        # The next `pulumi up` deletes it: https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
        ROLE | {"delete": True},
    ],
)
def test_what_a_stack_owns(owner: dict[str, Any]) -> None:
    assert {role_arn("app"), POLICY, UID} & {*owned(resources_of(state(owner)))}


@pytest.mark.parametrize(
    "not_owner",
    [
        # https://www.pulumi.com/docs/iac/concepts/resources/get/
        ROLE | {"external": True},
        resource(
            "irsa:index:ServiceAccountRole", "", {"roleArn": role_arn("app"), "arn": role_arn("app")}, custom=False
        ),
        resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "a", {"policyArn": POLICY, "role": "app"}),
        resource("aws:iam/role:Role", "app", {"arn": {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "v1:x"}}),
        resource("kubernetes:core/v1:ServiceAccount", "team-a/app", {"metadata": None}),
        resource("random:index/randomPet:RandomPet", "x", None),
    ],
)
def test_what_a_stack_only_reads_or_names(not_owner: dict[str, Any]) -> None:
    assert not {role_arn("app"), POLICY, UID} & {*owned(resources_of(state(not_owner)))}


def pulumi(folder: Path, monkeypatch: pytest.MonkeyPatch, stacks: str, **states: Any) -> None:
    """Put a `pulumi` on PATH that lists these stacks, and exports these states by the last part of a name."""
    for name, each in states.items():
        (folder / f"{name}.json").write_text(f"{json.dumps(each)}\n")
    program(
        folder / "pulumi",
        f"""\
echo "$*" >> {folder}/asked
case "$2" in
ls) {stacks} ;;
*)
  [ -f {folder}/"${{4##*/}}".json ] || {{ echo "error: access denied" >&2; exit 255; }}
  read -r text < {folder}/"${{4##*/}}".json && echo "$text" ;;
esac""",
    )
    monkeypatch.setenv("PATH", str(folder))


def listed(**counts: int | None) -> str:
    """Return the command that prints stacks: https://www.pulumi.com/docs/iac/cli/commands/pulumi_stack_ls/."""
    each = [
        {"name": f"organization/shop/{name}", "current": False} | ({} if count is None else {"resourceCount": count})
        for name, count in counts.items()
    ]
    return f"echo '{json.dumps(each)}'"


def test_each_stack_of_the_backend_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, listed(dev=7, empty=0, uncounted=None), dev=state(ROLE), uncounted=state())

    found = in_stacks(tmp_path)
    assert (found[0][role_arn("app")], found[1]) == ("organization/shop/dev", [])
    assert sorted((tmp_path / "asked").read_text().splitlines()) == [
        "stack export --stack organization/shop/dev --non-interactive",
        "stack export --stack organization/shop/uncounted --non-interactive",
        "stack ls --all --json --non-interactive",
    ]
    # A folder that the command creates later has no project yet.
    assert in_stacks(tmp_path / "new")[0] == found[0]


def test_one_stack_that_cannot_be_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, listed(secret=1, dev=7), dev=state(ROLE))

    stacks, not_checked = in_stacks(tmp_path)
    assert stacks[role_arn("app")] == "organization/shop/dev"
    assert not_checked == [
        'whether stack organization/shop/secret owns what is chosen: pulumi stack export: "access denied"'
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        # What pulumi 3.259 says without a login.
        (
            "echo 'error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions' >&2; exit 3",
            'pulumi stack ls: "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"',
        ),
        ("echo '{}'", "pulumi stack ls: it printed no JSON list (a wrapper's text?)"),
        ("echo Logging in", "pulumi stack ls: it printed no JSON list (a wrapper's text?)"),
        ("exit 1", "pulumi stack ls: exit code 1"),
    ],
)
def test_no_backend_is_no_error(answer: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, answer)

    assert in_stacks(tmp_path) == ({}, [f"whether a Pulumi stack owns what is chosen: {why}"])
