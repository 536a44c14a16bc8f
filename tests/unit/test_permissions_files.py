"""What the files of docs/permissions let their holder do, by the tests' own evaluator of identity policies."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.leaves import items_of
from tests.unit.irsa.evaluation import identity_policies as iam
from tests.world import documented

PERMISSIONS = Path(__file__).parents[2] / "docs" / "permissions"
IAM = "arn:aws:iam::111122223333:"
BOUNDARY = f"{IAM}policy/irsa-boundary"
EKS = "arn:aws:eks:us-west-2:111122223333:"
CLUSTER, ASSOCIATION = f"{EKS}cluster/prod", f"{EKS}podidentityassociation/prod/a-1234567890abcdef0"
PODS = "pods.eks.amazonaws.com"
# https://docs.aws.amazon.com/general/latest/gr/eks.html
PROVIDERS = [
    f"{IAM}oidc-provider/{host}/id/EXAMPLE"
    for host in ("oidc.eks.us-west-2.amazonaws.com", "oidc-eks.us-west-2.api.aws")
]
OURS, THEIRS = f"{IAM}role/irsa/app", f"{IAM}role/administrator"
# Of these the service reference says that they know the key iam:PermissionsBoundary:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
KNOW_THE_BOUNDARY = {
    f"iam:{name}"
    for name in (
        "AttachRolePolicy", "CreateRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
        "PutRolePermissionsBoundary", "PutRolePolicy",
    )
}  # fmt: skip
# What makes a role more than it was, or somebody else's.
DANGEROUS = sorted(
    KNOW_THE_BOUNDARY | {"iam:UpdateAssumeRolePolicy", "iam:DeleteRole", "iam:UpdateRole", "iam:PassRole"}
)
VERSIONS = ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion", "iam:DeletePolicy"]


def statements(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((PERMISSIONS / file).read_text())["Statement"]
    return found


def allowed(file: str, action: str, resource: str, boundary: str | None = None, service: str = PODS) -> bool:
    """Tell whether a request is allowed; the boundary is what IAM puts into the request, where the action knows it.

    A role is passed to a service.
    """
    context = defaultdict[str, tuple[str, ...]](tuple)
    if boundary and action in KNOW_THE_BOUNDARY:
        context["iam:permissionsboundary"] = (boundary,)
    if action == "iam:PassRole":
        context["iam:passedtoservice"] = (service,)
    return iam.allowed(([{"Statement": statements(file)}], None), action, resource, context)


@given(st.sampled_from(DANGEROUS), st.sampled_from(["role/", "role/irsa", "role/other/irsa/"]), st.text("abirs/-"))
def test_no_role_outside_the_path(action: str, prefix: str, name: str) -> None:
    resource = f"{IAM}{prefix}{name}"
    if not resource.startswith(f"{IAM}role/irsa/"):
        assert not allowed("iam-deployer-bounded.json", action, resource, BOUNDARY)


@given(st.sampled_from(sorted(KNOW_THE_BOUNDARY)), st.sampled_from([None, f"{BOUNDARY}-2", f"{IAM}policy/irsa/mine"]))
def test_no_role_without_the_boundary(action: str, boundary: str | None) -> None:
    assert not allowed("iam-deployer-bounded.json", action, OURS, boundary)


@pytest.mark.parametrize("action", [*VERSIONS, "iam:CreatePolicy"])
def test_the_boundary_is_not_rewritten(action: str) -> None:
    assert not allowed("iam-deployer-bounded.json", action, BOUNDARY)
    assert allowed("iam-deployer-bounded.json", action, f"{IAM}policy/irsa/app")


def test_the_boundary_gives_nobody_more_rights() -> None:
    (statement,) = statements("iam-boundary.json")
    services = {each.partition(":")[0] for each in statement["Action"]}

    assert statement["Effect"] == "Allow"
    assert services.isdisjoint(
        {"*", "iam", "sts", "organizations", "account", "sso", "eks", "eks-auth", "ec2", "lambda"}
    )
    assert not [each for each in statement["Action"] if "*" in each]
    (condition,) = [each["Condition"] for each in statements("iam-deployer-bounded.json") if "Condition" in each][:1]
    assert condition == {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}


def test_what_a_deployment_needs_is_allowed() -> None:
    resources = {"role": OURS, "policy": f"{IAM}policy/irsa/app", "oidc-provider": PROVIDERS[0]}
    resources |= {"cluster": CLUSTER, "podidentityassociation": ASSOCIATION}
    refused = {
        action
        for statement in statements("iam-deployer.json")
        for action in items_of(statement["Action"])
        for kind in [statement["Resource"].rpartition(":")[2].partition("/")[0]]
        if not allowed("iam-deployer-bounded.json", action, resources.get(kind, "*"), BOUNDARY)
    }
    assert refused == {"iam:DeleteRolePermissionsBoundary", "iam:RemoveRoleFromInstanceProfile"}


@pytest.mark.parametrize("verb", ["AddClientIDTo", "Create", "Delete"])
def test_only_providers_of_eks_clusters_of_the_region_are_written(verb: str) -> None:
    """Protects GitHub's provider, with which CI signs in, and from a provider of an attacker's host.

    `*` also stands for slashes and dots, so that no pattern with it before the path keeps a host out:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    action = f"iam:{verb}OpenIDConnectProvider"
    others = (
        "token.actions.githubusercontent.com",
        "oidc.eks.attacker.example/id/EXAMPLE",
        "oidc.eks.attacker.example/a.amazonaws.com/id/EXAMPLE",
        "oidc-eks.attacker.example/a.api.aws/id/EXAMPLE",
        "oidc.eks.us-west-2.amazonaws.com.attacker.example/id/EXAMPLE",
        "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
    )

    assert all(allowed("iam-deployer-bounded.json", action, each) for each in PROVIDERS)
    assert not any(allowed("iam-deployer-bounded.json", action, f"{IAM}oidc-provider/{each}") for each in others)


@pytest.mark.parametrize("file", ["iam-deployer.json", "iam-deployer-bounded.json"])
def test_roles_are_passed_to_pods_alone(file: str) -> None:
    """Protects the AWS account: iam:PassRole to another service, such as EC2, would give the deployer any role.

    EKS asks for it, and for iam:GetRole, where an association is created; each action has its resource type of
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
    """
    for action in ("iam:PassRole", "iam:GetRole"):
        assert allowed(file, action, OURS, BOUNDARY)
    for service in ("ec2.amazonaws.com", "lambda.amazonaws.com", "eks.amazonaws.com"):
        assert not allowed(file, "iam:PassRole", OURS, BOUNDARY, service)
    assert allowed(file, "eks:CreatePodIdentityAssociation", CLUSTER)
    for action in ("Delete", "Describe", "Update"):
        assert allowed(file, f"eks:{action}PodIdentityAssociation", ASSOCIATION)
    for action in ("eks:TagResource", "eks:UntagResource"):
        assert allowed(file, action, ASSOCIATION)
        assert not allowed(file, action, CLUSTER)


def test_the_deployers_policy_names_what_the_provider_calls() -> None:
    """Protects who grants no more than the page says: the calls are those that the provider's stand-in makes of IAM."""
    source = (PERMISSIONS.parents[1] / "sandbox" / "plugins" / "aws" / "iam.py").read_text()
    model = botocore.session.get_session().get_service_model("iam")
    operations = {xform_name(name): name for name in model.operation_names}
    called = {operations[word] for word in re.findall(r"[a-z_]+", source) if word in operations}

    assert len(called) > 20
    assert {f"iam:{name}" for name in called} <= documented("iam-deployer.json")


def kubernetes_rules(file: str) -> list[tuple[str, str, str]]:
    roles = yaml.safe_load_all((PERMISSIONS / file).read_text())
    rules = [(role["kind"], rule) for role in roles for rule in role["rules"]]
    return [(kind, resource, verb) for kind, rule in rules for resource in rule["resources"] for verb in rule["verbs"]]


def test_the_deployer_of_a_guard_writes_config_maps_of_its_namespace_only() -> None:
    """Protects all other ConfigMaps. kube-apiserver demands to read one of whoever writes a policy with that paramKind:
    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#parameter-resources
    """
    rights = kubernetes_rules("kubernetes-deployer-guard.yaml")

    assert [verb for kind, resource, verb in rights if (kind, resource) == ("ClusterRole", "configmaps")] == ["get"]
    assert ("Role", "configmaps", "create") in rights
    policies = {"validatingadmissionpolicies", "validatingadmissionpolicybindings"}
    assert {resource for _, resource, _ in rights} == {"configmaps", *policies}


@pytest.mark.parametrize("action", VERSIONS)
def test_nor_with_a_wider_policy_beside(action: str) -> None:
    (deny,) = [each for each in statements("iam-deployer-bounded.json") if BOUNDARY in items_of(each["Resource"])]
    assert allowed("iam-deployer.json", action, BOUNDARY)
    assert (deny["Effect"], action in deny["Action"], "Condition" in deny) == ("Deny", True, False)


def test_who_checks_a_guard_cannot_change_it() -> None:
    rights = kubernetes_rules("kubernetes-verify-guard.yaml")

    assert {verb for _, _, verb in rights} == {"get"}
    assert {kind for kind, resource, _ in rights if resource == "configmaps"} == {"Role"}
