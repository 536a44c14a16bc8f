"""What the trust policies of roles say to the tokens of clusters. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import TrustDocumentError
from irsa.evaluation.document import Parsed, parse
from irsa.rules.arns import issuer_host_path, oidc_provider_arn
from irsa.rules.mistakes import named
from irsa_cli.inventory.output import Finding
from irsa_cli.live.model import LiveAwsAccount, LiveCluster, LiveRole
from irsa_cli.trusts import admitted
from irsa_cli.trusts.trust import ProviderTrust, trusts_of


class TrustPolicy(NamedTuple):
    """A role with its trust policy, parsed."""

    role: LiveRole
    aws_account: LiveAwsAccount
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
    cluster: LiveCluster | None

    def finding(self, found: str, expected: str, service_account: str = "", fix: str = "") -> Finding:
        """Return a finding about it."""
        cluster, role = self.cluster.name if self.cluster else "", self.policy.role.arn
        return Finding("", cluster, service_account, role, self.provider_arn, found, expected, fix)


Admitted = admitted.Admitted[Trust]


def trust_policies(
    aws_accounts: Iterable[LiveAwsAccount], not_checked: Callable[[str], None]
) -> dict[str, TrustPolicy]:
    """Return the trust policies by the ARN of their role.

    Args:
        aws_accounts: The AWS accounts.
        not_checked: Takes a sentence for each role whose trust policy irsa cannot read.
    """
    found = {}
    for aws_account in aws_accounts:
        for role in aws_account.roles:
            try:
                found[role.arn] = TrustPolicy(role, aws_account, parse(role.trust))
            except TrustDocumentError as error:
                not_checked(f"trust policy of {named(role.arn)}: {error}")
    return found


def trusts(policies: Iterable[TrustPolicy], clusters: Iterable[LiveCluster]) -> list[Trust]:
    """Return what trust policies say to the tokens of each OIDC provider that they name, or of which a cluster is."""
    by_issuer = {issuer_host_path(each.issuer): each for each in clusters}
    return [
        Trust(**vars(each), policy=policy, cluster=by_issuer.get(each.issuer))
        for policy in policies
        for each in trusts_of(
            policy.parsed, policy.partition, policy.aws_account.number, policy.aws_account.client_ids, by_issuer
        )
    ]
