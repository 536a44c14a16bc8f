"""What exists in AWS and in Kubernetes, and what of it a stack has recorded: the rest is orphaned."""

from collections.abc import Callable, Mapping
from typing import Any

from lightkube.resources.core_v1 import ServiceAccount

from irsa import types
from irsa.rules.annotations import ROLE_KEY
from tests.sandbox.project import Stack

Thing = tuple[str, ...]
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
PATCH = "kubernetes:core/v1:ServiceAccountPatch"


def existing(cloud: Any) -> set[Thing]:
    """Return everything of the kinds that irsa deletes, of whomever it is, in the AWS account and in the cluster."""
    iam, found = cloud.aws("iam"), set[Thing]()
    for page in iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role", "LocalManagedPolicy"]):
        for role in page["RoleDetailList"]:
            found.add(("role", role["RoleName"]))
            found |= {("attached", role["RoleName"], each["PolicyArn"]) for each in role["AttachedManagedPolicies"]}
            found |= {("inline", role["RoleName"], each["PolicyName"]) for each in role["RolePolicyList"]}
        found |= {("policy", policy["Arn"]) for policy in page["Policies"]}
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    found |= {("provider", each["Arn"]) for each in providers}
    associations = cloud.aws("eks").list_pod_identity_associations(clusterName="my-cluster")["associations"]
    found |= {("association", each["associationId"]) for each in associations}
    kubernetes = cloud.kubernetes()
    for each in kubernetes.list(ServiceAccount, namespace="*"):
        place = f"{each.metadata.namespace}/{each.metadata.name}"
        # Every namespace gets one of that name of Kubernetes' own accord.
        found |= set() if each.metadata.name == "default" else {("service account", place)}
        role_arn = (each.metadata.annotations or {}).get(ROLE_KEY)
        owners = [field.manager for field in each.metadata.managedFields or [] if ROLE_KEY in str(field.fieldsV1)]
        # A manager that no state has keeps the annotation when the stack is destroyed.
        found |= {("annotation", place, str(len(owners)))} if role_arn else set()
    return found


RECORDED: Mapping[str, Callable[[Mapping[str, Any]], list[Thing]]] = {
    "aws:iam/role:Role": lambda role: [("role", role["id"])],
    "aws:iam/policy:Policy": lambda policy: [("policy", policy["id"])],
    OIDC_PROVIDER: lambda provider: [("provider", provider["id"])],
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": lambda attachment: [
        ("attached", attachment["outputs"]["role"], attachment["outputs"]["policyArn"])
    ],
    "aws:iam/rolePolicy:RolePolicy": lambda inline: [("inline", inline["outputs"]["role"], inline["outputs"]["name"])],
    types.POD_IDENTITY_ASSOCIATION: lambda association: [("association", association["id"])],
    "kubernetes:core/v1:ServiceAccount": lambda account: [
        ("service account", account["id"]),
        ("annotation", account["id"], "1"),
    ],
    PATCH: lambda patch: [("annotation", patch["id"], "1")],
}


def recorded(stack: Stack) -> set[Thing]:
    own = [each for each in stack.state() if each["type"] in RECORDED and not each.get("external")]
    return {thing for each in own for thing in RECORDED[each["type"]](each)}
