"""What an adoption works with: what the stack file declares already, and its clusters."""

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_cluster_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.names import KEY
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.variables import literal
from irsa_cli.adopt.items import Fate, Item, Left, Present
from irsa_cli.adopt.owners import Owner
from irsa_cli.adopt.trust import Settings
from irsa_world.model import AwsAccount, Cluster, ManagedPolicy, PolicySettings, World
from irsa_world.sessions import Sessions

Taken = TypeVar("Taken")
# The key of the one cluster of `irsa:cluster`.
ONLY_CLUSTER = "cluster"
SHORTENED = KEY.longest - len("-9999")


@dataclass(frozen=True)
class Declared:
    """The settings of a stack file, which may have any shape, and what its bindings use alone.

    Attributes:
        settings: The `irsa:` settings by their names without that prefix.
        issuers: The issuer of each cluster, by its key; the key of `irsa:cluster` is `cluster`.
        deployed: What the state of its stack owns, by the ARN, and in Kubernetes by the uid.
        stacks: Names of the backend's other stacks, by the ARN or uid of what they own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    deployed: frozenset[str] = frozenset()
    stacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def bindings(self) -> Mapping[str, Any]:
        """The bindings by their keys."""
        return mapping_of(self.settings.get("bindings"))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Values for all bindings."""
        return mapping_of(self.settings.get("defaults"))

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags that a binding can declare: all but AWS's own, which nobody can set.

        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html

        Raises:
            Left: The defaults would add some.
        """
        found = {key: tags[key] for key in sorted(tags) if not key.lower().startswith("aws:")}
        added = [key for key in mapping_of(self.defaults.get("tags")) if key not in found]
        if added:
            raise Left(f"irsa:defaults would add the tag {listed(added)}")
        return found

    @cached_property
    def service_accounts(self) -> Mapping[tuple[str, str, str], str]:
        """Keys of the bindings, by cluster key, namespace and name of the service account."""
        clusters = list(mapping_of(self.settings.get("clusters"))) or [ONLY_CLUSTER]
        found = {}
        for key, binding in self.bindings.items():
            service_account = mapping_of(mapping_of(binding).get("serviceAccount"))
            if "name" in service_account:
                namespace = service_account.get("namespace") or self.defaults.get("namespace") or DEFAULT_NAMESPACE
                for cluster in binding.get("clusters") or clusters:
                    found[str(cluster), str(namespace), str(service_account["name"])] = key
        return found

    @cached_property
    def _names(self) -> Mapping[tuple[str, str], str]:
        """Keys of the bindings, by `role` or `policy`, and its name in lower case, as IAM compares it."""
        return {
            (kind, name.lower()): key
            for key, binding in self.bindings.items()
            for kind in ("role", "policy")
            if isinstance(name := mapping_of(mapping_of(binding).get(kind)).get("name"), str)
        }

    def check_new(self, kind: Literal["role", "policy"], arn: str, name: str) -> None:
        """Refuse a role or policy that is declared.

        Raises:
            Left: Its stack has it, or a binding has its name; in which AWS account is not known of one with `account`.
        """
        if arn in self.deployed:
            raise Present(where="it is in the state of the stack")
        key = self._names.get((kind, name.lower()))
        if key is not None and "account" in self.bindings[key]:
            raise Left(f"binding {named(key)} has this name, and irsa cannot tell whether in this AWS account")
        if key is not None:
            raise Present(key)


def unique_key(names: Sequence[str], used: Collection[str]) -> str:
    """Return the first name that is free and short enough; else the first, as far as it fits, with a number.

    A hyphen stands for each character that a key cannot have.
    """
    keys = [re.sub(r"[^\w+=,.-]", "-", each, flags=re.ASCII) for each in names]
    short = [each for each in keys if len(each) <= KEY.longest] or [keys[0][:SHORTENED]]
    numbered = (f"{short[0][:SHORTENED]}-{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain(short, numbered) if key not in used)


class Clusters:
    """The clusters that were found, and those of the stack file.

    Attributes:
        providers: Their ARNs, by that of their OIDC provider in the stack's AWS account, whether or not it is there.
        by_name: Those that were found, by name.
        several: Whether they are keys of `irsa:clusters`.
        new: What is added to the file, by key.
    """

    def __init__(self, world: World, aws_account: AwsAccount, declared: Declared, region: str) -> None:
        self._declared, self._region, self._aws_account = declared, region, aws_account
        self.by_name = {each.name: each for each in world.clusters}
        self._by_arn = {each.arn: each for each in world.clusters if each.arn}
        self._by_provider = {self._provider_arn(each): each for each in world.clusters}
        self.providers = {arn: each.arn for arn, each in self._by_provider.items()}
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
            raise Left(f"{named(name)} is not irsa:cluster of the file, which can have only one cluster")
        return key

    def key_of_arn(self, arn: str) -> str:
        """Return the key of an EKS cluster, which the file must name for EKS Pod Identity.

        Raises:
            Left: The file has no place for it, or no name of it.
        """
        key, cluster = self.key(self._by_arn[arn].name if arn in self._by_arn else arn), parse_cluster_arn(arn)
        if cluster.account_id != self._aws_account.number:
            raise Left(f"it is in AWS account {cluster.account_id}, and the stack is in {self._aws_account.number}")
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


class Ways(NamedTuple):
    """How things are adopted.

    Attributes:
        policies: Whether policies are taken over.
        take_from: Tools from which roles and service accounts are taken.
        region: The region of the current credentials.
        policy_settings: Asks for the settings of a managed policy; None if it does not exist.
    """

    policies: bool = False
    take_from: Collection[str] = ()
    region: str = ""
    policy_settings: Callable[[str], PolicySettings | None] = lambda _: PolicySettings("", {})


class Task(NamedTuple):
    """One adoption: what was found, the AWS account of the stack with its policies by ARN, and what its file declares.

    No variable of the file is replaced in what is added but `dollar`, which is a `$`.
    """

    sessions: Sessions
    aws_account: AwsAccount
    ways: Ways
    declared: Declared
    clusters: Clusters
    policies: Mapping[str, ManagedPolicy]
    dollar: str = "dollar"

    def literal(self, value: Any) -> Any:
        """Return a part of a policy document as a stack file has it: with no variable that irsa would replace."""
        return literal(value, self.dollar)

    def stacks_of(self, *identities: str) -> list[Owner]:
        """Return the other stack of the backend that owns something, by its ARN or uid; none where there is none."""
        stack = next(filter(None, map(self.declared.stacks.get, identities)), None)
        return [Owner("pulumi", stack)] if stack else []

    def check_owners(self, owners: Iterable[Owner]) -> None:
        """Refuse what belongs to a tool from which it is not asked for to take.

        Raises:
            Left: There is such a tool.
        """
        others = [each for each in owners if each.tool not in self.ways.take_from]
        if others:
            options = " ".join(f"--take-from {named(each.tool)}" for each in others)
            raise Left(f"it belongs to {', '.join(map(str, others))}: {options}")

    def said(self, settings: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
        """Return those settings that a binding must say: that are there, and not as usual or by `irsa:defaults`.

        Raises:
            Left: What is not there has a default.
        """
        defaults = self.declared.defaults
        absent: tuple[Any, ...] = None, "", {}, []
        for name, value in settings.items():
            if value in absent and name in defaults and name != "tags":
                raise Left(f"it has no {name}, and irsa:defaults would set one")
        return {
            name: value
            for name, value in settings.items()
            if value not in absent and (name in defaults or value != usual.get(name))
        }


def attempt(about: str, owners: Iterable[Owner], take: Callable[[], Taken]) -> Taken | Item:
    """Return what is taken; or that it is left, or declared already."""
    try:
        return take()
    except Present as found:
        return Item(Fate.DECLARED, about, found.key, [] if found.key else [found.found])
    except Mistake as reason:
        return Item(Fate.SKIPPED, about, "", [reason.found], [*owners])
