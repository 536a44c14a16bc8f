"""The arguments of the components, as programs write them and as the schema for other languages has them.

Generated from irsa/keys by `make generate`. `pulumi.Input` marks arguments that may be outputs of other resources; one
that decides which resources exist is plain. Pulumi's schema analyzer reads these classes; it does not support unions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi


class ServiceAccountArgs(TypedDict):
    """The Kubernetes service account that is annotated with the role."""

    name: pulumi.Input[str]
    """Name of the service account."""
    namespace: NotRequired[pulumi.Input[str]]
    """Its namespace, which must exist. Default: `default`."""
    create: NotRequired[bool]
    """false: it exists; irsa annotates it and changes nothing else. Default: true.

    A service account that irsa created stays as it is."""
    take_over: NotRequired[bool]
    """true, with `create: false`: overwrite annotations that somebody else wrote, or that irsa wrote at its creation.

    Default: `pulumi up` fails."""
    labels: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Labels, with `create: true`."""
    annotations: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Further annotations, except those that start with `eks.amazonaws.com/` or `pulumi.com/`."""
    image_pull_secrets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of Secrets with registry credentials, with `create: true`."""
    automount_service_account_token: NotRequired[pulumi.Input[bool]]
    """Whether Pods mount a token for the Kubernetes API, with `create: true`."""
    sts_regional_endpoints: NotRequired[pulumi.Input[bool]]
    """Whether AWS SDKs from before August 2025 call the regional endpoint of STS. Newer SDKs do so by default.
    Default: the setting of the cluster's webhook."""
    token_expiration: NotRequired[int]
    """Lifetime of the Pod's AWS token in seconds, at least 600. Default: 86,400."""


class PolicyDocumentArgs(TypedDict):
    """A policy document."""

    document: pulumi.Input[Any]
    """The policy document: a mapping; in a program, it may contain outputs, or be JSON text."""


class PodIdentityArgs(TypedDict):
    """Settings of the EKS Pod Identity associations."""

    session_tags: NotRequired[bool]
    """false: sessions have no tags, and the trust policy names the clusters only. Default: true."""
    target_role_arn: NotRequired[pulumi.Input[str]]
    """ARN of a role that this role assumes. It may be in another AWS account. Pods get its credentials."""
    policy: NotRequired[PolicyDocumentArgs]
    """Session policy. It needs `session_tags: false`. Sessions may do only what both it and the role allow."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the associations. Default: those of the role."""
    import_ids: NotRequired[Mapping[str, str]]
    """IDs of existing associations to adopt, by the cluster's key; that of `irsa:cluster` is `cluster`.

    Remove it after `pulumi up`."""


class RoleArgs(TypedDict):
    """The IAM role."""

    arn: NotRequired[pulumi.Input[str]]
    """ARN of an existing role in any AWS account. The service account is annotated with it. The role stays as it is."""
    name: NotRequired[pulumi.Input[str]]
    """Name, 1 to 64 characters. Default: an automatic name from the binding's key or the component's name."""
    name_prefix: NotRequired[pulumi.Input[str]]
    """Prefix of an automatic name, 1 to 38 characters."""
    description: NotRequired[pulumi.Input[str]]
    """Description of the role, at most 1,000 characters."""
    path: NotRequired[pulumi.Input[str]]
    """IAM path of the role, such as `/team/`. Default: `/`."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """ARN of the policy that is the role's permissions boundary."""
    max_session_duration: NotRequired[pulumi.Input[int]]
    """Maximum session duration in seconds, 3,600 to 43,200. Default: 3,600.

    AWS SDKs ask for one hour or less, unless the application sets more."""
    force_detach_policies: NotRequired[pulumi.Input[bool]]
    """true: before the role is deleted, policies that others attached are detached."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the role, and of the policy unless it has its own; at most 50."""


class PolicyArgs(TypedDict):
    """A managed IAM policy to create and attach: a document, or that of an add-on."""

    document: NotRequired[pulumi.Input[Any]]
    """The policy document: a mapping; in a program, it may contain outputs, or be JSON text.

    A document with more than 6,144 characters is split into several policies, if it is known before the deployment."""
    cluster_names: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of EKS clusters."""
    hosted_zones: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Route 53 hosted zones, by ID or ARN."""
    buckets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """S3 buckets, by name or ARN, without what is in them."""
    kms_keys: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of KMS keys, not of aliases: a policy cannot name a key by its alias."""
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
    """true: the cluster's IP family is IPv6."""
    read_only: NotRequired[bool]
    """true: reads, and never writes."""
    find: NotRequired[bool]
    """true: finds secrets and parameters by name or tag, which lists all of the AWS account."""
    push: NotRequired[bool]
    """true: writes secrets and parameters, too."""
    snapshots: NotRequired[bool]
    """true: makes snapshots of EBS volumes."""
    version: NotRequired[str]
    """Version of the add-on. Default: the newest version that this release of irsa knows."""
    scope: NotRequired[str]
    """`"*"`: the add-on may reach everything, so you need not name resources in its parameters."""
    name: NotRequired[pulumi.Input[str]]
    """Name of the policy. Default: an automatic name from the binding's key or the component's name."""
    path: NotRequired[pulumi.Input[str]]
    """IAM path. Default: `/`."""
    description: NotRequired[pulumi.Input[str]]
    """Description. IAM cannot change it, so a new description replaces the policy."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the policy. Default: those of the role."""
    add_on: NotRequired[str]
    """In place of a document: the add-on, such as `external-dns`."""


class AddOnArgs(TypedDict):
    """A well-known add-on whose policy is created and attached. `irsa add-ons` lists what each takes.

    Default of `cluster_names`: those of the role."""

    cluster_names: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Names of EKS clusters."""
    hosted_zones: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Route 53 hosted zones, by ID or ARN."""
    buckets: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """S3 buckets, by name or ARN, without what is in them."""
    kms_keys: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of KMS keys, not of aliases: a policy cannot name a key by its alias."""
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
    """true: the cluster's IP family is IPv6."""
    read_only: NotRequired[bool]
    """true: reads, and never writes."""
    find: NotRequired[bool]
    """true: finds secrets and parameters by name or tag, which lists all of the AWS account."""
    push: NotRequired[bool]
    """true: writes secrets and parameters, too."""
    snapshots: NotRequired[bool]
    """true: makes snapshots of EBS volumes."""
    version: NotRequired[str]
    """Version of the add-on. Default: the newest version that this release of irsa knows."""
    scope: NotRequired[str]
    """`"*"`: the add-on may reach everything, so you need not name resources in its parameters."""
    add_on: str
    """The add-on, such as `external-dns`."""


class TrustArgs(TypedDict):
    """Who may assume the role, besides the service account."""

    subjects: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Further trusted service accounts, as `namespace:name`; both may contain the wildcards `*` and `?`."""
    any_service_account: NotRequired[bool]
    """true: subjects may contain `*:*`, which matches every service account of the cluster."""
    conditions: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, pulumi.Input[Any]]]]]]
    """Further conditions of irsa's statements, in IAM's format: operator, key, value or values."""
    statements: NotRequired[pulumi.Input[Sequence[pulumi.Input[Mapping[str, pulumi.Input[Any]]]]]]
    """Further statements of the trust policy, in IAM's format."""


class QuotasArgs(TypedDict):
    """Quotas that AWS raised for your AWS account."""

    trust_policy_size: NotRequired[int]
    """Characters of a trust policy, without white space: 2,048 to 8,192. Default: 2,048."""
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

    During a migration, write a mapping, such as `{irsa: trusted, podIdentity: used}`. With `used`, new Pods get the
    role this way. With `trusted`, only the statement in the trust policy exists."""
    pod_identity: NotRequired[PodIdentityArgs]
    """Settings of the EKS Pod Identity associations."""
    role: NotRequired[RoleArgs]
    """The role."""
    policy: NotRequired[PolicyArgs]
    """A managed policy to create and attach."""
    policies: NotRequired[Sequence[AddOnArgs]]
    """Add-ons whose policies irsa creates and attaches. Name each add-on once.

    Without `service_account` and `trust.subjects`, the service account of the add-on's chart is trusted."""
    inline_policies: NotRequired[Mapping[str, PolicyDocumentArgs]]
    """Inline policies of the role, by name; together at most 10,240 characters."""
    assume_role_arns: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of further roles that this role may assume, usually in other AWS accounts (role chaining)."""
    trust: NotRequired[TrustArgs]
    """Who else may assume the role."""
    audience: NotRequired[pulumi.Input[str]]
    """Audience of the tokens. Default: `sts.amazonaws.com`."""
    import_: NotRequired[Sequence[str]]
    """Existing resources to adopt: `role`, `policy`, `attachments`, `inlinePolicies`, `serviceAccount`. They are
    found by the names that you declare. Remove `import` after `pulumi up`.

    irsa refuses an import that differs in what decides access, and every later change of that while `import` is
    there. Declare all annotations and labels of a service account."""
    retain_on_delete: NotRequired[bool]
    """true: AWS and Kubernetes keep the resources when you remove this."""
    oidc_provider_arns: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs of the clusters' IAM OIDC providers, all in the AWS account in which the role is created."""
    cluster_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of the EKS clusters, for Pod Identity, each under a key that you choose; do not change the key."""
    policy_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of existing policies to attach, each under a key that you choose; do not change the key."""
    quotas: NotRequired[QuotasArgs]
    """Quotas that AWS raised for your AWS account."""


class GuardedAnnotationsArgs(TypedDict):
    """Who may annotate service accounts of guarded namespaces with another role than the declared one."""

    mode: str
    """`warn` or `deny`, for everybody else."""
    users: NotRequired[Sequence[str]]
    """Names of users."""
    user_prefixes: NotRequired[Sequence[str]]
    """Prefixes of names of users. EKS names a role `arn:aws:sts::ID:assumed-role/ROLE/SESSION`."""
    groups: NotRequired[Sequence[str]]
    """Names of groups."""


class GuardedServiceAccountArgs(TypedDict):
    """A service account whose Pods must get a role. `role_arn` can be that of a ServiceAccountRole."""

    name: str
    """Name of the service account."""
    namespace: NotRequired[str]
    """Its namespace. Default: `default`."""
    role_arn: pulumi.Input[str]
    """ARN of its role."""
    identity: NotRequired[Any]
    """How its Pods get the role, as in ServiceAccountRole. Default: `irsa`."""
    audience: NotRequired[pulumi.Input[str]]
    """Audience of the tokens, for IRSA. Default: `sts.amazonaws.com`."""


class IdentityGuardArgs(TypedDict):
    """The arguments of an IdentityGuard, which is for one cluster: that of its Kubernetes provider."""

    mode: str
    """`warn` (the API server admits the Pod, and counts it in its metric and its audit log) or `deny`."""
    namespace: NotRequired[pulumi.Input[str]]
    """Namespace of its ConfigMaps, which only the platform's team should edit. Default: `kube-system`."""
    namespaces: NotRequired[Mapping[str, str]]
    """Other modes by namespace: `off`, `warn` or `deny`. kube-system is at `warn` unless it is named here."""
    annotations: NotRequired[GuardedAnnotationsArgs]
    """Also guard the annotation `eks.amazonaws.com/role-arn` of service accounts. Default: no."""
    service_accounts: Sequence[GuardedServiceAccountArgs]
    """The service accounts whose Pods must get their role."""
    stack: NotRequired[str]
    """Prefix of the policies' names; unique in the cluster. Default: project and stack."""
