"""Which issuers are of Kubernetes clusters, and which of these clusters are known or gone. Pure."""

import re
from collections.abc import Iterable
from enum import StrEnum

from irsa.rules.arns import issuer_host_path
from irsa_world.model import AwsAccount, Cluster

# `oidc.eks.us-west-2.amazonaws.com`, `oidc-eks.us-west-2.api.aws`:
# https://docs.aws.amazon.com/general/latest/gr/eks.html
_OF_EKS = re.compile(r"oidc[.-]eks\.([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)\.")


class Standing(StrEnum):
    """Whether an issuer has a cluster."""

    KNOWN = "known"
    GONE = "gone"
    NOT_KNOWN = "not known"


def eks_region(issuer: str) -> str:
    """Return the region of an EKS cluster's issuer, which is given without `https://`; empty for any other issuer."""
    found = _OF_EKS.match(issuer)
    return found[1] if found else ""


class Issuers:
    """What is known of the issuers of clusters."""

    def __init__(self, clusters: Iterable[Cluster], aws_accounts: Iterable[AwsAccount]) -> None:
        """Take the clusters that were read, and the lists of EKS clusters of the AWS accounts that were read."""
        self._known = {issuer_host_path(each.issuer) for each in clusters}
        self._listed_by: dict[str, list[str]] = {}
        self._unread: set[str] = set()
        for aws_account in aws_accounts:
            for region, issuers in aws_account.eks_issuers.items():
                if issuers is None:
                    self._unread.add(region)
                else:
                    self._listed_by.setdefault(region, []).append(aws_account.number)
                    self._known.update(map(issuer_host_path, issuers))

    def standing(self, issuer: str) -> Standing:
        """Return whether an issuer, given without `https://`, has a cluster.

        Only the issuer of an EKS cluster can be gone: no cluster that was read has it, and no list of its region, which
        were all read. Nobody lists the clusters outside of EKS, and GitHub's issuer, for example, is of no cluster.
        """
        region = eks_region(issuer)
        if issuer in self._known:
            return Standing.KNOWN
        return Standing.GONE if region in self._listed_by and region not in self._unread else Standing.NOT_KNOWN

    def listed_by(self, issuer: str) -> list[str]:
        """Return the numbers of the AWS accounts whose EKS clusters in the issuer's region were listed."""
        return self._listed_by.get(eks_region(issuer), [])
