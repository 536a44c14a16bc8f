"""Samples for what AWS and Kubernetes would say of two versions of a stack file, so that their plans compare. Pure."""

import itertools
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from config.models import Cluster, Stack
from irsa.rules.arns import PARTITIONS, issuer_host_path, oidc_provider_arn
from irsa.rules.mistakes import named
from irsa.rules.unknown import Sample, sampled
from program.lookups.values import AwsIdentity, Lookups, ResolvedAwsAccount, known_cluster_arn

# Something that AWS or Kubernetes says: its kind, and of which AWS account, by its key, or cluster, by what it is.
Fact = tuple[str, str | None]
# Settings that decide who asks or where, of which the plan has nothing else.
COMPARED = {"aws:region", "aws:allowedAccountIds", "aws:forbiddenAccountIds"}


class Read(NamedTuple):
    """A stack file that can be compared.

    Attributes:
        stack: Its settings.
        lookups: What it says itself of AWS and Kubernetes.
        text: All of its settings, policy files included, as text.
        providers: The settings `aws:...` and `kubernetes:...`.
        environment: What it has of Pulumi ESC.
        not_known: What is not compared, as sentences.
        written: Its text, and that of Pulumi.yaml.
        warnings: What lint warns of.
    """

    stack: Stack
    lookups: Lookups
    text: str = ""
    providers: Mapping[str, Any] = {}
    environment: str = ""
    not_known: Sequence[str] = ()
    written: str = ""
    warnings: Sequence[str] = ()


class Samples:
    """Samples of which nothing is in either version, so that what stands for them is true anywhere.

    Nobody can guess them, and write something that looks like one.

    Attributes:
        text_by_sample: What is shown in place of each sample.
        known: What either version says of AWS and Kubernetes.
        issuers: The issuers of all clusters, without https://.
    """

    def __init__(self, versions: Sequence[Read]) -> None:
        """Choose the samples."""
        text = " ".join(f"{each.text} {each.providers}" for each in versions)
        self._text, self.text_by_sample = text, dict[str, str]()
        self._region = self._unused(f"zz-{secrets.token_hex(4)}-0" for _ in itertools.count())
        self._partition = self._unused(iter(secrets.SystemRandom().sample(PARTITIONS, len(PARTITIONS))))
        self.text_by_sample |= {self._region: "${region}", self._partition: "${partition}"}
        self._accounts: dict[str | None, str] = {}
        self._hosts: dict[str, str] = {}
        self.known = {fact: text for each in versions for fact, text in self.known_of(each).items()}
        identities = [_identities(each) for each in versions]
        several = len({identity for each in identities for identity in each.values()}) > 1
        for each, of_version in zip(versions, identities, strict=True):
            for key in each.lookups.aws_accounts:
                self._accounts[key] = self._account(key)
            for identity in of_version.values():
                host = f"oidc.eks.{self._region}.amazonaws.com/id/{secrets.token_hex(16).upper()}"
                self._hosts.setdefault(identity, host)
                self.text_by_sample[self._hosts[identity]] = f"${{issuer of {identity}}}" if several else "${issuer}"
        self.issuers = [issuer_host_path(self._issuer(each, self.known)) for each in self._hosts]

    def _unused(self, candidates: Iterator[str]) -> str:
        return next(each for each in candidates if each not in self._text and each not in self.text_by_sample)

    def _account(self, key: str | None) -> str:
        if key not in self._accounts:
            self._accounts[key] = self._unused(f"{secrets.randbelow(10**12):012}" for _ in itertools.count())
            self.text_by_sample[self._accounts[key]] = "${account}" if key is None else f"${{account of {key}}}"
        return self._accounts[key]

    @staticmethod
    def known_of(read: Read) -> dict[Fact, str]:
        """Return what a version says itself of AWS and Kubernetes."""
        found: dict[Fact, str] = {("region", None): read.lookups.region or ""}
        for key, each in read.lookups.aws_accounts.items():
            if each.identity:
                found |= {("account", key): each.identity.account_id, ("partition", key): each.identity.partition}
        found |= {("issuer", each): read.lookups.clusters[key].issuer for key, each in _identities(read).items()}
        return {fact: text for fact, text in found.items() if text and not sampled(text)}

    def _issuer(self, identity: str, known: Mapping[Fact, str]) -> str:
        return known.get(("issuer", identity)) or Sample(f"https://{self._hosts[identity]}", ["issuer"])

    def answers(self, read: Read, known: Mapping[Fact, str]) -> Lookups:
        """Return the look-ups of a version, answered by what is known, else by samples."""

        def of(kind: str, key: str | None, sample: str) -> str:
            return known.get((kind, key)) or Sample(sample, [kind])

        lookups = read.lookups
        aws_accounts = {
            key: AwsIdentity(of("account", key, self._account(key)), of("partition", key, self._partition))
            for key in lookups.aws_accounts
        }
        issuers = {key: self._issuer(each, known) for key, each in _identities(read).items()}

        def provider(cluster: str, aws_account: str | None, own: object) -> str:
            if not isinstance(own, Sample):
                return str(own)
            identity, issuer = aws_accounts[aws_account], issuers[cluster]
            arn = oidc_provider_arn(identity.partition, identity.account_id, issuer)
            samples = sampled(identity.partition) | sampled(identity.account_id) | sampled(issuer)
            samples |= own.of & {"output"}
            return Sample(arn, samples) if samples else arn

        def arn(key: str) -> str:
            cluster = read.stack.clusters_by_key[key]
            owner = cluster.aws_account if isinstance(cluster.aws_account, str) else None
            return known_cluster_arn(cluster, of("region", None, self._region), aws_accounts.get(owner))

        return Lookups(
            of("region", None, self._region),
            {key: ResolvedAwsAccount(each, None) for key, each in aws_accounts.items()},
            {key: each._replace(issuer=issuers[key], arn=arn(key)) for key, each in lookups.clusters.items()},
            {pair: provider(*pair, each) for pair, each in lookups.oidc_providers.items()},
            lookups.account_ids,
        )


def _identities(read: Read) -> dict[str, str]:
    """Return what tells each cluster from others, by its key, which is in it only where two have all else in common."""
    found = {key: _described(each, key) for key, each in read.stack.clusters_by_key.items()}
    times = Counter(found.values())
    return {key: f"{each} ({key})" if times[each] > 1 else each for key, each in found.items()}


def _described(cluster: Cluster, key: str) -> str:
    if cluster.stack or not cluster.name:
        return cluster.stack or key
    region = f" in {cluster.region}" if isinstance(cluster.region, str) else ""
    return f"{cluster.name}{region}{f' of {cluster.aws_account}' if isinstance(cluster.aws_account, str) else ''}"


def differences(versions: Sequence[Read]) -> list[str]:
    """Return what both versions say otherwise, or one of them alone, without which they cannot be compared."""
    if len(versions) < 2:  # noqa: PLR2004 (a version before and one after)
        return []
    before, after = versions
    facts = [Samples.known_of(each) for each in versions]
    clusters = [{*_identities(each).values()} for each in versions]
    found = []
    for kind, key in sorted(facts[0].keys() ^ facts[1].keys(), key=str):
        text = facts[0].get((kind, key)) or facts[1][kind, key]
        if kind == "issuer" and key in clusters[0] & clusters[1]:
            found.append(f"the issuer of the cluster {named(str(key))}: {named(text)}")
        elif kind == "account" and all(key in each.lookups.aws_accounts for each in versions):
            found.append(f"the AWS account{f' of {named(key)}' if key else ''}: {text}")
        elif kind == "region":
            found.append(f"aws:region: {named(text)}")
    one_alone = [f"{each} is in one version alone, and may be another one in the other" for each in found]
    regions = {each["region", None] for each in facts if ("region", None) in each}
    differing = [*(["aws:region"] if len(regions) > 1 else []), *_others(before, after)]
    return [*one_alone, *(f"{each} differs: what it leads to cannot be compared" for each in differing)]


def _others(before: Read, after: Read) -> Iterator[str]:
    """Yield the settings that differ, and decide who asks AWS or Kubernetes, or where."""
    for key in sorted({*before.providers, *after.providers} - COMPARED):
        if before.providers.get(key) != after.providers.get(key):
            yield named(key)
    for key, each in before.stack.aws_accounts.items():
        other = after.stack.aws_accounts.get(key)
        if other and each.profile != other.profile:
            yield f"irsa:accounts.{named(key)}.profile"
    clusters = {each: after.stack.clusters_by_key[key] for key, each in _identities(after).items()}
    for key, identity in _identities(before).items():
        cluster, same = before.stack.clusters_by_key[key], clusters.get(identity)
        if same and cluster.kubernetes != same.kubernetes:
            yield f"`kubernetes` of the cluster {named(key)}"
    if before.environment != after.environment:
        yield "`environment:`"
    # What a rule needs of a secret is a marker, and with it the whole value that it is in.
    if (before.not_known or after.not_known) and (before.text, before.written) != (after.text, after.written):
        yield "a file with a secret whose value is needed"
