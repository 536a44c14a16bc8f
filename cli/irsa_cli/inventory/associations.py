"""What the roles of associations of EKS Pod Identity say to EKS. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.rules.mistakes import named
from irsa_cli.inventory.admissions import TrustPolicy
from irsa_cli.inventory.output import Finding
from irsa_world.model import Association, Cluster, ServiceAccount
from irsa_world.trusts.target_roles import ORDER
from irsa_world.trusts.trust import allowed_principals
from irsa_world.verdict import Verdict


class RoleAnswer(NamedTuple):
    """What a role of an association says: to EKS, or as a target role to the first role."""

    role_arn: str
    verdict: Verdict
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Associated:
    """An association of a cluster that was read.

    Attributes:
        service_account: Its service account; None where there is none of this name.
        answers: The answer of its role, and that of its target role where it has one.
    """

    cluster: Cluster
    association: Association
    service_account: ServiceAccount | None
    answers: tuple[RoleAnswer, ...]

    @property
    def role_arn(self) -> str:
        """The role whose credentials the Pods get."""
        return self.association.target_role_arn or self.association.role_arn

    @property
    def deciding(self) -> RoleAnswer:
        """The answer that decides: what refuses, before what cannot be decided."""
        return min(self.answers, key=lambda each: ORDER.index(each.verdict.decision))

    @property
    def decision(self) -> Decision:
        """Whether the Pods get credentials."""
        return self.deciding.verdict.decision

    def finding(self, role_arn: str, found: str, expected: str) -> Finding:
        """Return a finding about it and one of its roles."""
        owner = self.association.owner
        found += f"; {named(owner)} owns the association" if owner else ""
        return Finding("", self.cluster.name, str(self.association), role_arn, found=found, expected=expected)


def trusts_pod_identity(policy: TrustPolicy) -> bool:
    """Return whether a trust policy allows something to EKS Pod Identity, whatever its conditions."""
    return PodIdentityRequest.principal in allowed_principals(policy.parsed[1])
