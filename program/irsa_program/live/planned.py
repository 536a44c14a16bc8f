"""What is planned, beside what there is: what each rule of `irsa check --live` is a function of."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irsa import types
from irsa.resources import DeclaredResource
from irsa.rules.commands import AwsPlace
from irsa.rules.mistakes import named
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_config.stack import Stack
from irsa_program.guards import PlannedGuard
from irsa_program.live.held import Held
from irsa_program.live.reads import AwsReads, ClusterReads
from irsa_program.lookups.failures import asked_aws_account
from irsa_program.lookups.values import Lookups
from irsa_program.plan import PlannedComponent, known_value
from irsa_world.state.resource import Resource


class PlannedStack(NamedTuple):
    """What a stack is going to be.

    Attributes:
        components: The components of the plan.
        guards: The guards of the plan.
        aws_accounts: What AWS accounts have, by their key; None is the key of the stack's own.
        clusters: What the clusters have, by their key in `Stack.clusters_by_key`.
        held: What the stack's state holds.
        name: The stack's name.
        aws_settings: The settings of the stack's default AWS provider, by their names without `aws:`.
    """

    stack: Stack
    components: Sequence[PlannedComponent]
    guards: Sequence[PlannedGuard]
    lookups: Lookups
    aws_accounts: Mapping[str | None, AwsReads]
    clusters: Mapping[str, ClusterReads]
    held: Held
    name: str
    aws_settings: Mapping[str, Any] = {}

    def options(self, aws_account: str | None, region: str | None) -> AwsPlace:
        """Return by which options the AWS CLI acts on an AWS account, and on a region of it."""
        found = asked_aws_account(self.stack.aws_accounts, aws_account, self.aws_settings, region).options
        # IAM has no regions.
        return found._replace(region="") if region == "" else found

    def cluster(self, key: str | None) -> ClusterReads:
        """Return what a cluster has, by its key."""
        return self.clusters.get(key or "", ClusterReads())

    def where(self, cluster: str | None) -> str:
        """Return a cluster for messages; nothing in a stack of one."""
        return f" in the cluster {named(cluster)}" if self.stack.clusters and cluster else ""


def account_of(planned: PlannedComponent) -> str | None:
    """Return the service account of a component as `namespace/name`; None without one."""
    own = planned.spec.service_account
    return "/".join(service_account_of(own)) if own else None


def service_account_of(resource: DeclaredResource) -> tuple[str, str]:
    """Return the namespace and the name of a service account, or of that of an association, as far as it is known."""
    namespace, name = map(known_value, resource.service_account)
    return namespace or DEFAULT_NAMESPACE, str(name)


def replacing(created: DeclaredResource, before: Resource) -> list[str]:
    """Return the keys whose change replaces a role or a policy: one with an automatic name before it is deleted.

    IAM never changes them: https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html and
    .../API_CreatePolicy.html. Under one logical name, given names differ in letter case alone.
    """
    name = "namePrefix" if known_value(created.inputs["name"]) is None else "name"
    keys = (name, "path") if created.type == types.ROLE else (name, "path", "description")
    unset = {"path": "/"}
    has, wanted = ({key: each(key) or unset.get(key, "") for key in keys} for each in (before.text, created.inputs.get))
    return [key for key in keys if (known_value(wanted[key]) or unset.get(key, "")) != has[key]]
