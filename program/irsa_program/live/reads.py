"""What was read of AWS and Kubernetes, as values."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irsa.rules.commands import UNKNOWN_CLUSTER, ClusterPlace
from irsa_program.live.held import account_and_name
from irsa_world.model import Association, Role, ServiceAccount


@dataclass(frozen=True)
class ClusterReads:
    """One cluster, by Kubernetes and by EKS; None where one could not be asked.

    Attributes:
        place: By which options kubectl acts on it.
        namespaces: The namespaces by name, each with whether it is being deleted.
        service_accounts: Service accounts by namespace and name.
        pods: The Pods that have not ended, by service account as `namespace/name`, where some must restart before a
            change.
        has_agent: Whether its nodes have the agent of EKS Pod Identity: by the add-on, or as those of Auto Mode.
        associations: Its associations by namespace and service account.
    """

    namespaces: Mapping[str, bool] | None = None
    service_accounts: Mapping[tuple[str, str], ServiceAccount] | None = None
    pods: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
    has_agent: bool | None = None
    associations: Mapping[tuple[str, str], Association] | None = None
    place: ClusterPlace = UNKNOWN_CLUSTER


@dataclass(frozen=True)
class AwsReads:
    """IAM of one AWS account; None where it could not be asked.

    Attributes:
        number: Its 12 digits.
        policies: Managed policies by ARN, those of AWS included, each with whether it can be attached.
        oidc_providers: ARNs of its IAM OIDC providers.
        summary: What GetAccountSummary says of its quotas.
    """

    number: str
    roles: Sequence[Role] | None = None
    policies: Mapping[str, bool] | None = None
    oidc_providers: frozenset[str] | None = None
    summary: Mapping[str, int] | None = None

    @functools.cached_property
    def roles_by_name(self) -> Mapping[str, str]:
        """ARNs of its roles by their names in lower case: IAM ignores their case, and their paths."""
        return {each.name.lower(): each.arn for each in self.roles or ()}

    @functools.cached_property
    def policies_by_name(self) -> Mapping[str, str]:
        """ARNs of its own managed policies by their names in lower case."""
        names = ((*account_and_name(arn, "policy"), arn) for arn in self.policies or ())
        return {name: arn for account_id, name, arn in names if account_id == self.number}
