"""What the trust policies of roles say to the tokens of clusters. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation.document import Parsed
from irsa.rules.arns import oidc_provider_arn
from irsa_cli.inventory.output import Finding
from irsa_world.model import AwsAccount, Cluster, Role
from irsa_world.trusts import admitted
from irsa_world.trusts.trust import ProviderTrust


class TrustPolicy(NamedTuple):
    """A role with its trust policy, parsed."""

    role: Role
    aws_account: AwsAccount
    parsed: Parsed

    @property
    def partition(self) -> str:
        """The partition of the role, whose path may have any printable character: its ARN need not be one of ours."""
        return self.role.arn.split(":")[1]

    def provider_arn(self, issuer: str) -> str:
        """Return the ARN of the OIDC provider through which an issuer's tokens reach the role."""
        return oidc_provider_arn(self.partition, self.aws_account.number, issuer)


@dataclass(frozen=True, eq=False)
class Trust(ProviderTrust):
    """What a role says to the tokens of one OIDC provider.

    Attributes:
        policy: The role and its trust policy.
        cluster: The cluster of the provider's issuer; None where none was read.
    """

    policy: TrustPolicy
    cluster: Cluster | None

    def finding(self, found: str, expected: str, service_account: str = "", fix: str = "") -> Finding:
        """Return a finding about it."""
        cluster, role = self.cluster.name if self.cluster else "", self.policy.role.arn
        return Finding("", cluster, service_account, role, self.provider_arn, found, expected, fix)


Admitted = admitted.Admitted[Trust]
