"""The arguments of IdentityGuard, as programs write them and as the schema for other languages has them."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi


class GuardedServiceAccountArgs(TypedDict):
    """A service account whose Pods must get a role.

    `role_arn` can be that of a ServiceAccountRole; write the name as a string.
    """

    name: pulumi.Input[str]
    """Name of the service account."""
    namespace: NotRequired[pulumi.Input[str]]
    """Its namespace. Default: `default`."""
    role_arn: pulumi.Input[str]
    """ARN of its role."""
    identity: NotRequired[Any]
    """How its Pods get the role, as in ServiceAccountRole. Default: `irsa`."""
    audience: NotRequired[pulumi.Input[str]]
    """Audience of the tokens, for IRSA. Default: `sts.amazonaws.com`."""


class GuardedAnnotationsArgs(TypedDict):
    """Who may annotate service accounts of guarded namespaces with another role than the declared one."""

    mode: str
    """`warn` or `deny`, for everybody else."""
    users: NotRequired[Sequence[str]]
    """Names of users."""
    user_prefixes: NotRequired[Sequence[str]]
    """Beginnings of names of users, such as `arn:aws:sts::111122223333:assumed-role/deploy/`."""
    groups: NotRequired[Sequence[str]]
    """Names of groups."""


class IdentityGuardArgs(TypedDict):
    """The arguments of an IdentityGuard, which is for one cluster: that of its Kubernetes provider."""

    mode: str
    """`warn` (recorded in the API server's metric and audit log) or `deny`."""
    service_accounts: Sequence[GuardedServiceAccountArgs]
    """The service accounts whose Pods must get their role."""
    stack: NotRequired[str]
    """Prefix of the policies' names; unique in the cluster. Default: project and stack."""
    namespace: NotRequired[pulumi.Input[str]]
    """Namespace of the ConfigMaps, which nobody but the platform's team should edit. Default: `kube-system`."""
    namespaces: NotRequired[Mapping[str, str]]
    """Other modes by namespace: `off`, `warn` or `deny`. kube-system is at `warn` unless it is named here."""
    annotations: NotRequired[GuardedAnnotationsArgs]
    """Also guard the annotation `eks.amazonaws.com/role-arn` of service accounts. Default: no."""
