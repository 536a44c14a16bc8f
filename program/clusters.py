"""The cluster's OIDC provider, looked up in AWS."""

from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from config.models import Cluster
from irsa.arns import Arn, oidc_provider_arn, parse_iam_arn


class ResolvedCluster(NamedTuple):
    """What a binding needs to know of its cluster."""

    oidc_provider_arn: str
    variables: dict[str, str]
    """The built-in variables of documents and ARNs."""


def resolve_cluster(cluster: Cluster) -> ResolvedCluster:
    """Look up the account, the cluster's issuer and the IAM OIDC provider for it.

    Raises:
        pulumi.RunError: No such cluster, or no OIDC provider for its issuer.
    """
    account = aws.get_caller_identity().account_id
    partition = aws.get_partition().partition
    issuer = cluster.oidc_issuer or _issuer_of(cluster.name or "")
    arn = cluster.oidc_provider_arn or oidc_provider_arn(partition, account, issuer)
    _require_provider(parse_iam_arn(arn, "oidc-provider"), issuer, cluster.name)
    variables = {
        "account": account,
        "partition": partition,
        "region": aws.get_region().region,
        "cluster": cluster.name or "",
    }
    return ResolvedCluster(arn, variables)


def _issuer_of(name: str) -> str:
    try:
        cluster = aws.eks.get_cluster(name=name)
    except Exception as error:
        raise pulumi.RunError(
            f"irsa:cluster.name: cannot read the EKS cluster {name!r}: {error}\n"
            "  `aws eks list-clusters` shows the clusters of this account and region"
        ) from None
    return cluster.identities[0].oidcs[0].issuer


def _require_provider(arn: Arn, issuer: str, cluster_name: str | None) -> None:
    try:
        aws.iam.get_open_id_connect_provider(arn=str(arn))
    except Exception as error:
        if "couldn't find resource" not in str(error):
            raise pulumi.RunError(f"cannot read the IAM OIDC provider {arn}: {error}") from None
        command = (
            f"eksctl utils associate-iam-oidc-provider --cluster {cluster_name} --approve"
            if cluster_name
            else f"aws iam create-open-id-connect-provider --url {issuer} --client-id-list sts.amazonaws.com"
        )
        raise pulumi.RunError(
            f"account {arn.account} has no IAM OIDC provider for the issuer {issuer}\n  create it: {command}"
        ) from None
