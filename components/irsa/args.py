"""The arguments of ServiceAccountRole, as programs write them and as the schema for other languages has them.

`pulumi.Input` stands where no decision depends on the value: it may be an output of another resource. What decides
which resources exist is plain. Pulumi's schema analyzer reads these classes at run time and knows no unions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi


class ServiceAccountArgs(TypedDict):
    """The Kubernetes service account that is annotated with the role."""

    name: pulumi.Input[str]
    """Name of the service account, such as the name of a ServiceAccount resource."""
    namespace: NotRequired[pulumi.Input[str]]
    """Its namespace, which must exist, such as `namespace.metadata.name`. Default: `default`."""
    create: NotRequired[bool]
    """False: the service account exists already; it is annotated and keeps all else that it has. Default: true."""
    labels: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Labels of a created service account."""
    annotations: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Further annotations; none of `eks.amazonaws.com/`."""
    image_pull_secrets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of Secrets with registry credentials, for a created service account."""
    automount_service_account_token: NotRequired[pulumi.Input[bool]]
    """Whether Pods mount a token for the Kubernetes API, for a created service account."""
    sts_regional_endpoints: NotRequired[pulumi.Input[bool]]
    """Whether AWS SDKs call the regional endpoint of STS. Default: as the cluster's webhook is set up."""
    token_expiration: NotRequired[int]
    """Lifetime of the projected token in seconds, at least 600. Default: 86,400."""


class PolicyArgs(TypedDict):
    """A managed IAM policy that the component creates and attaches."""

    document: pulumi.Input[Any]
    """The policy document: a mapping, with outputs inside if you like, or JSON text.

    One that is known before the deployment and over 6,144 characters is divided over several policies."""
    name: NotRequired[pulumi.Input[str]]
    """Name of the policy. Default: an automatic one."""
    path: NotRequired[pulumi.Input[str]]
    """IAM path. Default: `/`."""
    description: NotRequired[pulumi.Input[str]]
    """Description; IAM never changes it, so another one replaces the policy."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the policy. Default: those of the role."""


class ServiceAccountRoleArgs(TypedDict):
    """What a ServiceAccountRole is made of. It has either `oidc_provider_arns` (a role is created) or `role_arn`."""

    service_account: NotRequired[ServiceAccountArgs]
    """The service account to create or to annotate. Without it: the role only."""
    role_arn: NotRequired[pulumi.Input[str]]
    """ARN of an existing role, of any account: nothing of it is changed, the service account is only annotated."""
    oidc_provider_arns: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of the IAM OIDC providers of the clusters, all in the account in which the role is created."""
    subjects: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Trusted `namespace:name` patterns (`*` and `?` allowed) besides the service account."""
    any_service_account: NotRequired[bool]
    """True: allows `*:*` among the subjects, every service account of the cluster. Default: false."""
    audience: NotRequired[pulumi.Input[str]]
    """Audience of the tokens. Default: `sts.amazonaws.com`."""
    trust_conditions: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, pulumi.Input[Any]]]]]]
    """Further conditions of the trust policy: operator, key, value or values, as IAM writes them."""
    trust_statements: NotRequired[pulumi.Input[Sequence[pulumi.Input[Mapping[str, pulumi.Input[Any]]]]]]
    """Further statements of the trust policy, as IAM writes them."""
    role_name: NotRequired[pulumi.Input[str]]
    """Name of the role, 1 to 64 characters. Default: an automatic one that starts with the component's name."""
    role_name_prefix: NotRequired[pulumi.Input[str]]
    """Start of an automatic name of the role, 1 to 38 characters."""
    description: NotRequired[pulumi.Input[str]]
    """Description of the role, at most 1,000 characters."""
    path: NotRequired[pulumi.Input[str]]
    """IAM path of the role, such as `/team/`. Default: `/`."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """ARN of the policy that bounds the role's permissions."""
    max_session_duration: NotRequired[int]
    """Longest session in seconds, 3,600 to 43,200. Default: 3,600."""
    force_detach_policies: NotRequired[pulumi.Input[bool]]
    """Whether policies that others attached are detached when the role is deleted. Default: false."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the role, and of the policy unless it has its own; at most 50."""
    policy: NotRequired[PolicyArgs]
    """A managed policy to create and attach."""
    policy_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Existing policies to attach: a key you choose, which stays the same, and the ARN."""
    inline_policies: NotRequired[Mapping[str, pulumi.Input[Any]]]
    """Inline policies of the role: name, and document as a mapping or JSON text."""
    import_existing: NotRequired[Sequence[str]]
    """What exists already, with the names given here, and is adopted instead of created.

    Each is one of `role`, `policy`, `attachments`, `inlinePolicies`, `serviceAccount`."""
    retain_on_delete: NotRequired[bool]
    """True: nothing is deleted in AWS or Kubernetes when the component is removed. Default: false."""
    trust_policy_size_quota: NotRequired[int]
    """Characters that the AWS account allows in a trust policy, at least 2,048. Default: 2,048."""
    attached_policies_quota: NotRequired[int]
    """Managed policies that the AWS account allows on a role, at least 1. Default: 10."""
