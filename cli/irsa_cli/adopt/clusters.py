"""The clusters of an adoption: their keys in the stack file, and the tokens that come from them."""

from collections.abc import Iterable
from typing import Any

from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_cluster_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import named
from irsa_cli.adopt.declared import ONLY_CLUSTER, Declared, unique_key
from irsa_cli.adopt.items import Left
from irsa_cli.adopt.trust import Provider, Settings
from irsa_world.model import AwsAccount, Cluster, World


class Clusters:
    """The clusters that were found, and those of the stack file.

    Attributes:
        providers: Their OIDC providers in the stack's AWS account, by ARN, whether or not these are there.
        by_name: Those that were found, by name.
        several: Whether they are keys of `irsa:clusters`.
        new: What is added to the file, by key.
    """

    def __init__(self, world: World, aws_account: AwsAccount, declared: Declared, region: str) -> None:
        self._declared, self._region, self._aws_account = declared, region, aws_account
        self.by_name = {each.name: each for each in world.clusters}
        self._by_arn = {each.arn: each for each in world.clusters if each.arn}
        self._by_provider = {self._provider_arn(each): each for each in world.clusters}
        listed = aws_account.client_ids
        self.providers = {arn: Provider(listed.get(arn, ()), each.arn) for arn, each in self._by_provider.items()}
        present = {issuer_host_path(issuer): key for key, issuer in declared.issuers.items()}
        keys = {each.name: present.get(issuer_host_path(each.issuer)) for each in world.clusters}
        # A file with one cluster gets no second one: with `irsa:clusters`, its service accounts would be recreated.
        new = [name for name, key in keys.items() if key is None and "cluster" not in declared.settings]
        self.several = "clusters" in declared.settings or len(new) > 1
        self.new: dict[str, dict[str, Any]] = {}
        for name in new:
            # Of a context such as `arn:aws:eks:us-west-2:111122223333:cluster/prod`, `prod`.
            names = [name.rpartition("/")[2] or ONLY_CLUSTER]
            keys[name] = unique_key(names, {*declared.issuers, *self.new}) if self.several else ONLY_CLUSTER
            self.new[keys[name] or ""] = self._settings(self.by_name[name])
        self._keys = keys

    def key(self, name: str) -> str:
        """Return the key of a cluster in the stack file.

        Raises:
            Left: The file has no place for it.
        """
        key = self._keys.get(name)
        if key is None:
            raise Left(f"the file has another cluster than {named(name)} as irsa:cluster")
        return key

    def key_of_arn(self, arn: str) -> str:
        """Return the key of an EKS cluster, which the file must name for EKS Pod Identity.

        Raises:
            Left: The file has no place for it, or no name of it.
        """
        key, cluster = self.key(self._by_arn[arn].name if arn in self._by_arn else arn), parse_cluster_arn(arn)
        if cluster.account_id != self._aws_account.number:
            raise Left(f"it is in AWS account {cluster.account_id}, and the stack in {self._aws_account.number}")
        present = self._declared.settings
        written = {**self.new, **mapping_of(present.get("clusters")), ONLY_CLUSTER: present.get("cluster")}
        settings = mapping_of(written.get(key) or self.new.get(key))
        place = settings.get("name"), settings.get("region") or cluster.region, settings.get("account")
        if place != (cluster.name, cluster.region, None):
            wanted = f"`name: {named(cluster.name)}`, `region: {cluster.region}` and no `account`"
            raise Left(f"the file does not name its cluster, {named(arn)}: {named(key)} needs {wanted}")
        return key

    def of_trust(self, settings: Settings) -> list[str]:
        """Return the names of the clusters that a trust policy is for."""
        of_pods = [self._by_arn[arn].name for arn in settings.cluster_arns if arn in self._by_arn]
        return [self._by_provider[arn].name for arn in settings.oidc_provider_arns] or of_pods

    def setting(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the setting that says which clusters a binding is for; a stack of one cluster has no such setting."""
        return {"clusters": sorted({*map(self.key, names)})} if self.several else {}

    def _settings(self, cluster: Cluster) -> dict[str, Any]:
        if cluster.eks_name:
            region = {"region": self._region} if self._region else {}
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
