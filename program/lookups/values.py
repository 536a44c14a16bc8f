"""What must be looked up for a stack's bindings, and what was found."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from config.models import Binding, Stack
from config.variable_keys import values_with_variables
from config.variables import references
from irsa.rules.trust import DEFAULT_AUDIENCE

if TYPE_CHECKING:
    import pulumi
    import pulumi_aws as aws
    import pulumi_kubernetes as kubernetes


class Identity(NamedTuple):
    """The identity of an AWS account."""

    account_id: str
    """Its ID, 12 digits."""
    partition: str
    """`aws`, `aws-cn`, ..."""


class ResolvedAwsAccount(NamedTuple):
    """An AWS account that bindings use."""

    identity: Identity | None
    """Its identity; None where no document and no ARN needs it."""
    provider: "aws.Provider | None"
    """Its provider; None for the stack's default provider."""


class ResolvedCluster(NamedTuple):
    """What was looked up of a cluster for its bindings."""

    name: str
    """Name of the EKS cluster; empty when the stack file has none."""
    provider: "kubernetes.Provider | None"
    """The provider of its Kubernetes API; None for the stack's default provider."""
    issuer: str = ""
    """Its OIDC issuer; empty where its Kubernetes API is not used."""


@dataclass(frozen=True)
class Lookups:
    """All that was looked up for a stack.

    Attributes:
        region: Region of the stack; None where no binding needs it.
        aws_accounts: AWS accounts by their key; None is the key of the stack's account.
        clusters: Clusters by their key in `Stack.clusters_by_key`.
        oidc_providers: ARNs of the IAM OIDC providers by cluster and AWS account; outputs where the stack creates them.
    """

    region: str | None
    aws_accounts: Mapping[str | None, ResolvedAwsAccount]
    clusters: Mapping[str, ResolvedCluster]
    oidc_providers: Mapping[tuple[str, str | None], "str | pulumi.Output[str]"]


@dataclass(frozen=True)
class Needs:
    """What must be looked up for the bindings.

    Attributes:
        variables: Names of the variables that they use, by AWS account.
        audiences: Audiences that an IAM OIDC provider must list, by cluster and AWS account.
        kubernetes: Clusters whose Kubernetes API is used.
    """

    variables: Mapping[str | None, Set[str]]
    audiences: Mapping[tuple[str, str | None], Set[str]]
    kubernetes: Set[str]


def audience_of(binding: Binding) -> str:
    """Return the audience of the tokens that a binding's role trusts."""
    return binding.audience or DEFAULT_AUDIENCE


def needs_of(stack: Stack) -> Needs:
    """Return what must be looked up for the bindings of a stack."""
    variables: dict[str | None, set[str]] = {}
    audiences: dict[tuple[str, str | None], set[str]] = {}
    kubernetes: set[str] = set()
    for binding in stack.bindings.values():
        clusters = binding.clusters or stack.clusters_by_key
        keys = binding.model_dump(by_alias=True, exclude_defaults=True)
        variables.setdefault(binding.aws_account, set()).update(
            references([value for _, value in values_with_variables(keys)])
        )
        # The trust policy of an existing role is not changed.
        for cluster in () if binding.role.arn else clusters:
            audiences.setdefault((cluster, binding.aws_account), set()).add(audience_of(binding))
        if binding.service_account or stack.cluster:
            kubernetes.update(clusters)
    return Needs(variables, audiences, kubernetes)
