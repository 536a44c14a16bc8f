"""What a stack's bindings need to have looked up, and what was found."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from config.models import Binding, Stack
from config.variables import references
from irsa.rules.trust import DEFAULT_AUDIENCE

if TYPE_CHECKING:
    import pulumi
    import pulumi_aws as aws
    import pulumi_kubernetes as kubernetes


class Identity(NamedTuple):
    """Who an AWS account is."""

    account_id: str
    """Its 12 digits."""
    partition: str
    """`aws`, `aws-cn`, ..."""


class ResolvedAwsAccount(NamedTuple):
    """An AWS account that bindings use."""

    identity: Identity | None
    """Who it is; nothing where no document and no ARN asks for it."""
    provider: "aws.Provider | None"
    """The way to it; nothing is the stack's default provider."""


class ResolvedCluster(NamedTuple):
    """A cluster, looked up as far as its bindings need it."""

    name: str
    """Name of the EKS cluster; empty when the stack file has none."""
    provider: "kubernetes.Provider | None"
    """The way to its Kubernetes API; nothing is the stack's default provider."""


@dataclass(frozen=True)
class Lookups:
    """All that was looked up for a stack.

    Attributes:
        region: Region of the stack; nothing where no binding asks for it.
        accounts: AWS accounts by their key; nothing is the key of the stack's own.
        clusters: Clusters by their key in `Stack.clusters_by_key`.
        oidc_providers: ARNs of the IAM OIDC providers by cluster and account; an output where it is created.
    """

    region: str | None
    accounts: Mapping[str | None, ResolvedAwsAccount]
    clusters: Mapping[str, ResolvedCluster]
    oidc_providers: Mapping[tuple[str, str | None], "str | pulumi.Output[str]"]


@dataclass(frozen=True)
class Needs:
    """What the bindings need to have looked up.

    Attributes:
        variables: Names of the variables that they use, by AWS account.
        audiences: Audiences that an IAM OIDC provider must admit, by cluster and AWS account.
        kubernetes: Clusters whose Kubernetes API is used.
    """

    variables: Mapping[str | None, Set[str]]
    audiences: Mapping[tuple[str, str | None], Set[str]]
    kubernetes: Set[str]


def audience_of(binding: Binding) -> str:
    """Return the audience of the tokens that a binding's role admits."""
    return binding.audience or DEFAULT_AUDIENCE


def needs_of(stack: Stack) -> Needs:
    """Return what must be looked up for the bindings of a stack."""
    variables: dict[str | None, set[str]] = {}
    audiences: dict[tuple[str, str | None], set[str]] = {}
    kubernetes: set[str] = set()
    for binding in stack.bindings.values():
        clusters = binding.clusters or stack.clusters_by_key
        variables.setdefault(binding.aws_account, set()).update(references(list(_with_variables(binding))))
        # An existing role trusts whom it trusts.
        for cluster in () if binding.role.arn else clusters:
            audiences.setdefault((cluster, binding.aws_account), set()).add(audience_of(binding))
        if binding.service_account or stack.cluster:
            kubernetes.update(clusters)
    return Needs(variables, audiences, kubernetes)


def _with_variables(binding: Binding) -> Iterator[Any]:
    """Give the settings in which variables are filled in (program.plan)."""
    yield from (binding.role.arn, binding.role.permissions_boundary, binding.policy_arns, binding.assume_role_arns)
    yield from (binding.trust.conditions, binding.trust.statements)
    yield from (source.document for source in (binding.policy, *binding.inline_policies.values()) if source)
