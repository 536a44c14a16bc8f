"""The clusters of an adoption: their keys in the stack file, and the tokens that come from them."""

import json
import re
from collections.abc import Iterable
from typing import Any

from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_cluster_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import named
from irsa_cli.adopt.choice import Ways
from irsa_cli.adopt.declared import ONLY_CLUSTER, Declared
from irsa_cli.adopt.names import unique_key
from irsa_cli.adopt.outcomes import Left
from irsa_cli.adopt.trust import Surroundings
from irsa_world.issuers import Issuers, Standing, eks_region
from irsa_world.model import AwsAccount, Cluster, Discovery, Role


class Clusters:
    """The clusters that were found, and those of the stack file.

    Attributes:
        surroundings: What the trust policies of the stack's AWS account are read against.
        by_name: Those that were found, by name.
        by_arn: Those that were found in EKS, by ARN.
        keys: The key of each found cluster in the stack file, by its name; without those that have no place there.
        new: What is added to the file, by key.
        several: Whether these are keys of `irsa:clusters`.
    """

    def __init__(self, discovery: Discovery, aws_account: AwsAccount, declared: Declared, ways: Ways) -> None:
        self._declared, self._ways, self._aws_account = declared, ways, aws_account
        self._issuers = Issuers(discovery.clusters, discovery.aws_accounts)
        self._by_issuer = {issuer_host_path(each.issuer): each for each in discovery.clusters}
        self.by_name = {each.name: each for each in discovery.clusters}
        self.by_arn = {each.arn: each for each in discovery.clusters if each.arn}
        self.surroundings = self._surroundings()
        self.several = False
        self.new: dict[str, dict[str, Any]] = {}
        self.keys = self._keys(discovery.clusters)

    def of_provider(self, provider_arn: str) -> Cluster:
        """Return the cluster of an OIDC provider."""
        return self._by_issuer[provider_arn.partition(":oidc-provider/")[2]]

    def key_of_arn(self, arn: str, name: str) -> str:
        """Return the key of an EKS cluster, which the file must name for EKS Pod Identity.

        Raises:
            Left: The file has no place for it, or no name of it.
        """
        key = self.keys.get(name)
        if key is None:
            raise Left(f"the file has another cluster than {named(name)} as irsa:cluster")
        cluster = parse_cluster_arn(arn)
        if cluster.account_id != self._aws_account.number:
            raise Left(f"it is in AWS account {cluster.account_id}, and the stack in {self._aws_account.number}")
        present = self._declared.settings
        written = present.get("cluster") if key == ONLY_CLUSTER and "cluster" in present else None
        settings = mapping_of(written or mapping_of(present.get("clusters")).get(key) or self.new.get(key))
        place = settings.get("name"), settings.get("region") or cluster.region, settings.get("account")
        if place != (cluster.name, cluster.region, None):
            wanted = f"`name: {named(cluster.name)}`, `region: {cluster.region}` and no `account`"
            raise Left(f"the file does not name its cluster, {named(arn)}: {named(key)} needs {wanted}")
        return key

    def setting(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the setting that says which clusters a binding is for; a stack of one cluster has no such setting."""
        several = self.several or "clusters" in self._declared.settings
        return {"clusters": sorted(set(keys))} if several else {}

    def trusts_one(self, role: Role) -> bool:
        """Return whether a role names an OIDC provider of one of the clusters, or of one that was not found."""
        known = self.surroundings
        providers = set(re.findall(r'"(arn:[^"]*:oidc-provider/[^"]*)"', json.dumps(role.trust)))
        return any(each in known.audiences or known.is_dead(each) for each in providers)

    def _keys(self, clusters: Iterable[Cluster]) -> dict[str, str]:
        """Return the keys; what is new is added.

        A file with one cluster gets no second one: with `irsa:clusters`, its service accounts would be recreated.
        """
        by_issuer = {issuer_host_path(issuer): key for key, issuer in self._declared.issuers.items()}
        keys = {
            each.name: by_issuer[issuer_host_path(each.issuer)]
            for each in clusters
            if issuer_host_path(each.issuer) in by_issuer
        }
        new = [each for each in clusters if each.name not in keys]
        present = self._declared.settings
        if "cluster" in present or not new:
            return keys
        self.several = "clusters" in present or len(new) > 1
        used = set(self._declared.issuers)
        for cluster in new:
            # Of a context such as `arn:aws:eks:us-west-2:111122223333:cluster/prod`, `prod`.
            name = cluster.name.rpartition("/")[2] or ONLY_CLUSTER
            key = unique_key([name], used.__contains__) if self.several else ONLY_CLUSTER
            used.add(key)
            keys[cluster.name] = key
            self.new[key] = self._settings(cluster)
        return keys

    def _settings(self, cluster: Cluster) -> dict[str, Any]:
        if cluster.eks_name:
            region = {"region": self._ways.region} if self._ways.region else {}
            return {"name": cluster.eks_name, **region, "kubernetes": {"eks": True}}
        settings: dict[str, Any] = {"oidcIssuer": cluster.issuer}
        if cluster.arn and self._aws_account.associations.get(cluster.arn):
            # By which EKS is asked about the associations.
            arn = parse_cluster_arn(cluster.arn)
            settings = {"name": arn.name, "region": arn.region, **settings}
        # Whether or not it is there.
        settings["oidcProviderArn"] = self._provider_arn(cluster)
        # A preview refuses a context that there is not: better than another cluster, the current one.
        return {**settings, "kubernetes": {"context": cluster.context or cluster.name}}

    def _provider_arn(self, cluster: Cluster) -> str:
        # Every ARN of an AWS account has its partition, and every AWS account has a role.
        arns = (*self._aws_account.client_ids, *(role.arn for role in self._aws_account.roles))
        partition = next((arn.split(":")[1] for arn in arns), "aws")
        return oidc_provider_arn(partition, self._aws_account.number, cluster.issuer)

    def _surroundings(self) -> Surroundings:
        clusters = {self._provider_arn(each): each.arn for each in self._by_issuer.values()}
        listed = self._aws_account.client_ids

        def is_dead(arn: str) -> bool:
            issuer = arn.partition(":oidc-provider/")[2]
            known = self._issuers.standing(issuer)
            if not issuer or arn in clusters or known is Standing.KNOWN:
                return False
            # Of other issuers, such as GitHub's, nobody knows whether they are a cluster's.
            return known is Standing.GONE or (eks_region(issuer) != "" and arn not in listed)

        return Surroundings({arn: listed.get(arn, ()) for arn in clusters}, is_dead, clusters)
