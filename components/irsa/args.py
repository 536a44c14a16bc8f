"""The arguments of ServiceAccountRole, as programs write them and as the schema for other languages has them.

`pulumi.Input` marks arguments that may be outputs of other resources. An argument that decides which resources exist is
plain. Pulumi's schema analyzer reads these classes at run time; it does not support unions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi


class ServiceAccountArgs(TypedDict):
    """The Kubernetes service account that is annotated with the role."""

    name: pulumi.Input[str]
    """Name of the service account, such as the name of a ServiceAccount resource."""
    namespace: NotRequired[pulumi.Input[str]]
    """Its namespace, which must exist; for example `namespace.metadata.name`. Default: `default`."""
    create: NotRequired[bool]
    """False: the service account exists; irsa annotates it and changes nothing else. Default: true."""
    take_over: NotRequired[bool]
    """True, with `create` false: overwrite annotations that somebody else wrote. Default: false, `pulumi up` fails."""
    labels: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Labels of a created service account."""
    annotations: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Further annotations, except those that start with `eks.amazonaws.com/` or `pulumi.com/`."""
    image_pull_secrets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of Secrets with registry credentials, for a created service account."""
    automount_service_account_token: NotRequired[pulumi.Input[bool]]
    """Whether Pods mount a token for the Kubernetes API, for a created service account."""
    sts_regional_endpoints: NotRequired[pulumi.Input[bool]]
    """Whether AWS SDKs call the regional endpoint of STS. Default: the setting of the cluster's webhook."""
    token_expiration: NotRequired[int]
    """Lifetime of the projected token in seconds, at least 600. Default: 86,400."""


class AddOnArgs(TypedDict):
    """A well-known add-on whose policy the component creates and attaches. `irsa add-ons` lists what each takes.

    Without `service_account` and `trust.subjects`, the service account of the add-on's chart is trusted."""

    add_on: str
    """The add-on, such as `external-dns`."""
    version: NotRequired[str]
    """Version of the add-on that the policy is for. Default: the newest that this release knows."""
    scope: NotRequired[str]
    """`*`: the add-on may reach everything that its parameters would name."""
    cluster_names: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of the EKS clusters. Default: those of `cluster_arns`."""
    hosted_zones: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Route 53 hosted zones, by ID or ARN."""
    buckets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """S3 buckets, by name or ARN."""
    kms_keys: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of KMS keys."""
    secrets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of Secrets Manager secrets, whole or with wildcards at the end."""
    ssm_parameters: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of Systems Manager parameters, with wildcards or without."""
    file_systems: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """EFS file systems, by ID or ARN."""
    node_roles: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of the nodes' IAM roles."""
    interruption_queues: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of SQS queues."""
    workspaces: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of workspaces of Amazon Managed Service for Prometheus."""
    ipv6: NotRequired[bool]
    """True: the cluster's IP family is IPv6."""
    read_only: NotRequired[bool]
    """True: it reads, and never writes."""
    find: NotRequired[bool]
    """True: it finds secrets and parameters by name or tag, which lists all of the AWS account."""
    push: NotRequired[bool]
    """True: it writes secrets and parameters, too."""
    snapshots: NotRequired[bool]
    """True: it makes snapshots of EBS volumes."""


class PolicyArgs(TypedDict):
    """A managed IAM policy that the component creates and attaches: a document, or that of an add-on (AddOnArgs)."""

    document: NotRequired[pulumi.Input[Any]]
    """The policy document: a mapping, which may contain outputs, or JSON text.

    A document that is known before the deployment and has more than 6,144 characters is split into several policies."""
    name: NotRequired[pulumi.Input[str]]
    """Name of the policy. Default: an automatic name."""
    path: NotRequired[pulumi.Input[str]]
    """IAM path. Default: `/`."""
    description: NotRequired[pulumi.Input[str]]
    """Description. IAM cannot change it, so a new one replaces the policy."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the policy. Default: those of the role."""
    add_on: NotRequired[str]
    """In place of a document: the add-on, such as `external-dns`."""
    version: NotRequired[str]
    """Version of the add-on that the policy is for. Default: the newest that this release knows."""
    scope: NotRequired[str]
    """`*`: the add-on may reach everything that its parameters would name."""
    cluster_names: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of the EKS clusters. Default: those of `cluster_arns`."""
    hosted_zones: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Route 53 hosted zones, by ID or ARN."""
    buckets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """S3 buckets, by name or ARN."""
    kms_keys: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of KMS keys."""
    secrets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of Secrets Manager secrets, whole or with wildcards at the end."""
    ssm_parameters: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of Systems Manager parameters, with wildcards or without."""
    file_systems: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """EFS file systems, by ID or ARN."""
    node_roles: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of the nodes' IAM roles."""
    interruption_queues: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of SQS queues."""
    workspaces: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of workspaces of Amazon Managed Service for Prometheus."""
    ipv6: NotRequired[bool]
    """True: the cluster's IP family is IPv6."""
    read_only: NotRequired[bool]
    """True: it reads, and never writes."""
    find: NotRequired[bool]
    """True: it finds secrets and parameters by name or tag, which lists all of the AWS account."""
    push: NotRequired[bool]
    """True: it writes secrets and parameters, too."""
    snapshots: NotRequired[bool]
    """True: it makes snapshots of EBS volumes."""


class PolicyDocumentArgs(TypedDict):
    """A policy document."""

    document: pulumi.Input[Any]
    """A mapping, which may contain outputs, or JSON text."""


class PodIdentityArgs(TypedDict):
    """Settings of the EKS Pod Identity associations, one for each of `cluster_arns`."""

    session_tags: NotRequired[bool]
    """False: sessions have no tags, and the trust policy names the clusters only. Default: true."""
    target_role_arn: NotRequired[pulumi.Input[str]]
    """ARN of the role whose credentials the Pods get; this role assumes it. It may be in another AWS account."""
    policy: NotRequired[PolicyDocumentArgs]
    """Session policy. Sessions may do what it and the role allow.

    It needs `session_tags` false."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the associations. Default: those of the role."""
    import_ids: NotRequired[Mapping[str, str]]
    """IDs of existing associations to adopt instead of creating them, each under its key of `cluster_arns`."""


class RoleArgs(TypedDict):
    """The IAM role."""

    arn: NotRequired[pulumi.Input[str]]
    """ARN of an existing role in any AWS account. The role is not changed; the service account is annotated with it."""
    name: NotRequired[pulumi.Input[str]]
    """Name of the role, 1 to 64 characters. Default: an automatic name that starts with the component's name."""
    name_prefix: NotRequired[pulumi.Input[str]]
    """Prefix of an automatic name of the role, 1 to 38 characters."""
    description: NotRequired[pulumi.Input[str]]
    """Description of the role, at most 1,000 characters."""
    path: NotRequired[pulumi.Input[str]]
    """IAM path of the role, such as `/team/`. Default: `/`."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """ARN of the policy that is the role's permissions boundary."""
    max_session_duration: NotRequired[int]
    """Maximum session duration in seconds, 3,600 to 43,200. Default: 3,600. AWS SDKs ask for one hour or less."""
    force_detach_policies: NotRequired[pulumi.Input[bool]]
    """Whether policies that others attached are detached when the role is deleted. Default: false."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the role, and of the policy unless it has its own; at most 50."""


class TrustArgs(TypedDict):
    """Who may assume the role, besides the service account."""

    subjects: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Further trusted service accounts, as `namespace:name`; both may contain the wildcards `*` and `?`."""
    any_service_account: NotRequired[bool]
    """True: subjects may contain `*:*`, every service account of the cluster. Default: false."""
    conditions: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, pulumi.Input[Any]]]]]]
    """Further conditions of the trust policy, in IAM's format: operator, key, value or values."""
    statements: NotRequired[pulumi.Input[Sequence[pulumi.Input[Mapping[str, pulumi.Input[Any]]]]]]
    """Further statements of the trust policy, in IAM's format."""


class QuotasArgs(TypedDict):
    """Quotas that AWS raised for your AWS account."""

    trust_policy_size: NotRequired[int]
    """Characters of a trust policy, 2,048 to 8,192. Default: 2,048."""
    attached_policies: NotRequired[int]
    """Managed policies per role, at least 1. Default: 10."""


class ServiceAccountRoleArgs(TypedDict):
    """The arguments of a ServiceAccountRole.

    It creates a role with `oidc_provider_arns` for IRSA, with `cluster_arns` for EKS Pod Identity, or with both; or it
    uses the role of `role.arn`."""

    service_account: NotRequired[ServiceAccountArgs]
    """The service account to create or to annotate. Without it, only the role is created."""
    identity: NotRequired[Any]
    """How Pods get the role: `irsa`, `both` or `podIdentity`. Default: `irsa`.

    For the stages between them, a mapping of both to `used` or `trusted`, such as `{irsa: trusted, podIdentity: used}`.
    `trusted`: only the trust policy's statement exists."""
    cluster_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of the EKS clusters, for Pod Identity, each under a key that you choose; do not change the key."""
    pod_identity: NotRequired[PodIdentityArgs]
    """Settings of the EKS Pod Identity associations."""
    role: NotRequired[RoleArgs]
    """The role."""
    oidc_provider_arns: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of the clusters' IAM OIDC providers, all in the AWS account in which the role is created."""
    trust: NotRequired[TrustArgs]
    """Who else may assume the role."""
    audience: NotRequired[pulumi.Input[str]]
    """Audience of the tokens. Default: `sts.amazonaws.com`."""
    policy: NotRequired[PolicyArgs]
    """A managed policy to create and attach."""
    policies: NotRequired[Sequence[AddOnArgs]]
    """Add-ons whose policies are created and attached, each once."""
    policy_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of existing policies to attach, each under a key that you choose; do not change the key."""
    inline_policies: NotRequired[Mapping[str, PolicyDocumentArgs]]
    """Inline policies of the role, by name; together at most 10,240 characters."""
    assume_role_arns: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of further roles that this role may assume, usually in other AWS accounts (role chaining)."""
    import_: NotRequired[Sequence[str]]
    """Existing resources to adopt instead of creating them; they are found by the names given here.

    An import that differs is refused, and so is a later change while this is here. Each is one of `role`, `policy`,
    `attachments`, `inlinePolicies`, `serviceAccount`."""
    retain_on_delete: NotRequired[bool]
    """True: the resources in AWS and Kubernetes are kept when the component is removed. Default: false."""
    quotas: NotRequired[QuotasArgs]
    """Quotas that AWS raised for your AWS account."""
