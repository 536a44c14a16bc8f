"""The types of resources that irsa knows, as a state names them, and what is compared of those that it imports."""

from collections.abc import Mapping
from typing import Any

from irsa.rules.quotas import SESSION_DURATION

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
POLICY_ATTACHMENT = "aws:iam/policyAttachment:PolicyAttachment"
INLINE_POLICY = "aws:iam/rolePolicy:RolePolicy"
POD_IDENTITY_ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
SERVICE_ACCOUNT_PATCH = "kubernetes:core/v1:ServiceAccountPatch"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
ADMISSION_POLICY = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"
ADMISSION_BINDING = f"{ADMISSION_POLICY}Binding"
NAMESPACE = "kubernetes:core/v1:Namespace"
# In the name of a guard's component, in place of a binding's key.
GUARD = "irsa:guard"
AWS_PROVIDER, KUBERNETES_PROVIDER = "pulumi:providers:aws", "pulumi:providers:kubernetes"

NOUNS = {
    POD_IDENTITY_ASSOCIATION: "association",
    OIDC_PROVIDER: "OIDC provider",
    POLICY: "policy",
    ROLE: "role",
    INLINE_POLICY: "inline policy",
    SERVICE_ACCOUNT: "service account",
}
# The settings of a role that IAM can change in place: what they are, and what a role has that is created without them.
ROLE_SETTINGS: Mapping[str, tuple[str, Any]] = {
    "description": ("description", ""),
    "permissionsBoundary": ("permissions boundary", ""),
    "maxSessionDuration": ("longest session in seconds", SESSION_DURATION.least),
}
# What is compared of each type before it is imported, with what it is where it is left out: what decides access, and
# what cannot be changed without a replacement, such as the description of a policy. Tags are compared as well: any
# document of the AWS account can ask for one.
COMPARED: Mapping[str, Mapping[str, Any]] = {
    ROLE: {"assumeRolePolicy": "", "path": "/", "permissionsBoundary": ""},
    POLICY: {"description": "", "path": "/", "policy": ""},
    INLINE_POLICY: {"policy": ""},
    POD_IDENTITY_ASSOCIATION: {"disableSessionTags": False, "policy": "", "roleArn": "", "targetRoleArn": ""},
    SERVICE_ACCOUNT: {"automountServiceAccountToken": True},
}
