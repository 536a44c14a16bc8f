"""Read AWS and Kubernetes: few bulk reads, however many bindings there are. Nothing here writes."""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from config import live_rules
from config.located_mistake import LocatedMistake
from config.models import Stack
from irsa.rules import commands
from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import Place, named, path_of
from irsa_cli.exits import CouldNotLookError, NoPermissionError, NotAuthenticatedError, SecretInStateError
from irsa_cli.live.kubeconfig import configuration
from irsa_cli.live.kubernetes import LiveCluster
from program.access import kubeconfig_mistake, used_aws_accounts
from program.live.cloud import LiveCloud
from program.live.planned import finding
from program.live.reads import AwsReads, ClusterReads, Reads, service_account_of
from program.lookup_mistakes import kubernetes_mistake
from program.lookups import Lookups, Needs, ResolvedAwsAccount, ResolvedCluster
from program.questions import LookupFailure, Questions

CONCURRENT = 8
Answer = TypeVar("Answer")


class Reader:
    """Reads what a stack needs; what fails is kept: as a mistake where `pulumi up` fails too, else as not checked."""

    def __init__(
        self, stack: Stack, needs: Needs, aws: Mapping[str, Any], kubernetes: Mapping[str, Any], folder: Path
    ) -> None:
        """Take the settings.

        Args:
            stack: The settings of the stack.
            needs: What its bindings need.
            aws: The settings `aws:` of the stack's default provider, by their names without it.
            kubernetes: The settings `kubernetes:`.
            folder: The folder of Pulumi.yaml, to which the paths of kubeconfigs are relative.
        """
        self._stack, self._needs, self._kubernetes, self._folder = stack, needs, kubernetes, folder
        self._clusters = stack.clusters_by_key
        self._cloud = LiveCloud(stack, aws, folder)
        self._ask = Questions(stack, needs, self._cloud, aws)
        self._failures: list[LocatedMistake] = []
        self._not_checked: list[str] = []
        self._unanswered = False

    def lookups(self) -> Lookups:
        """Return the look-ups of `pulumi up`, without Pulumi's objects, as far as they have an answer."""
        clusters = self._clusters.items()
        with_region = any("region" in names for names in self._needs.variables.values())
        in_kubernetes = [key for key in self._clusters if key in self._needs.kubernetes]
        issuers = self._answers(live_rules.CLUSTER_UNREACHABLE, self._ask.own_issuer, in_kubernetes)
        used = used_aws_accounts(self._stack)
        # `pulumi up` has no credentials to fail with where nothing is asked or created in the stack's own account.
        unused = {key: ResolvedAwsAccount(None, None) for key in self._needs.variables if key not in used}
        asked = [key for key in self._needs.variables if key in used]
        identities = self._answers(live_rules.CREDENTIALS, self._ask.identity, asked)
        providers: dict[tuple[str, str | None], str] = {}
        for cluster, aws_account in self._needs.audiences:
            if aws_account not in identities:
                continue
            created = self._ask.created_provider(cluster, aws_account) if self._issuer(cluster) else None
            if created is None:
                continue
            providers[cluster, aws_account] = created
            if not self._clusters[cluster].create_oidc_provider:
                existing = self._answer(
                    live_rules.PROVIDER_MISSING, partial(self._ask.oidc_provider, cluster, aws_account)
                )
                providers[cluster, aws_account] = existing or self._declared_provider(cluster, aws_account) or created
        return Lookups(
            self._answer(live_rules.CREDENTIALS, self._ask.region) if with_region else None,
            {key: ResolvedAwsAccount(identity, None) for key, identity in identities.items()} | unused,
            {key: ResolvedCluster(cluster.name or "", None, issuers.get(key, "")) for key, cluster in clusters},
            providers,
        )

    def _issuer(self, cluster: str) -> str:
        """Return the issuer of a cluster; an empty string where it cannot be known."""
        return self._answer(live_rules.CLUSTER_UNREACHABLE, partial(self._ask.issuer, cluster)) or ""

    def _declared_provider(self, cluster: str, aws_account: str | None) -> str | None:
        settings = self._clusters[cluster]
        return settings.oidc_provider_arn if aws_account == settings.aws_account else None

    def reads(self, adopted: Mapping[str | None, frozenset[str]], with_roles: Iterable[str | None]) -> Reads:
        """Return what IAM and the clusters have.

        Args:
            adopted: Names of the roles to adopt, by the key of the AWS account.
            with_roles: Keys of the AWS accounts in which roles are created.
        """
        reached = [key for key in dict.fromkeys(with_roles) if key in self._cloud.reached]
        with ThreadPoolExecutor(CONCURRENT) as pool:
            in_iam = pool.map(lambda key: self._of_account(key, adopted.get(key, frozenset())), reached)
            in_use = self._clusters_with_service_accounts()
            in_clusters = pool.map(self._of_cluster, in_use)
            aws_accounts = dict(zip(reached, in_iam, strict=True))
            clusters = dict(zip(in_use, in_clusters, strict=True))
        return Reads(
            aws_accounts,
            {key: reads for key, reads in clusters.items() if reads},
            self._failures,
            sorted(dict.fromkeys(self._not_checked)),
            self._unanswered,
        )

    def _clusters_with_service_accounts(self) -> list[str]:
        """Return the clusters in which something is created: a stack of roles alone needs no Kubernetes API."""
        bindings = [binding for binding in self._stack.bindings.values() if binding.service_account]
        in_use = {cluster for binding in bindings for cluster in binding.clusters or self._clusters}
        return [cluster for cluster in self._clusters if cluster in in_use]

    def _answers(self, rule: str, question: Callable[[Any], Answer], keys: Iterable[Any]) -> dict[Any, Answer]:
        answers = {key: self._answer(rule, partial(question, key)) for key in keys}
        return {key: answer for key, answer in answers.items() if answer is not None}

    def _answer(self, rule: str, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer of a look-up; a failure without a rule of its own gets this one."""
        try:
            return question()
        except LookupFailure as failure:
            mistake = failure.mistake
            self._failures.append(mistake._replace(rule=rule) if mistake.rule == "mistake" else mistake)
            return None

    def _asked(self, what: str, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer to a question that `pulumi up` does not ask."""
        try:
            return question()
        except CouldNotLookError as error:
            self._not_checked.append(f"{what}: {error}")
            self._unanswered |= not isinstance(error, NoPermissionError)
            return None

    def _of_account(self, key: str | None, adopted: frozenset[str]) -> AwsReads:
        live, where = self._cloud.reached[key], f"AWS account {self._cloud.reached[key].number}"
        providers = self._asked(f"{where}, OIDC providers", live.oidc_providers)
        reads = AwsReads(
            self._ask.identity(key),
            self._asked(f"{where}, names of roles", live.role_arns),
            self._asked(f"{where}, managed policies", live.policies),
            None if providers is None else frozenset(providers),
            self._asked(f"{where}, quotas", live.summary),
        )
        existing = [name for name in sorted(adopted) if name.lower() in reads.roles_by_name]
        about = f"{where}, policies of roles to adopt"
        attached = {name: self._asked(about, partial(live.attached_policies, name)) for name in existing}
        inline = {name: self._asked(about, partial(live.inline_policies, name)) for name in existing}
        return replace(
            reads,
            attached={name: frozenset(found) for name, found in attached.items() if found is not None},
            inline={name: frozenset(found) for name, found in inline.items() if found is not None},
        )

    # Kubernetes

    def _of_cluster(self, key: str) -> ClusterReads | None:
        place: Place = self._stack.place_of_cluster(key)
        place = (*place, "kubernetes") if self._clusters[key].kubernetes else place
        live = self._connected(key, place)
        if live is None:
            return None
        where = f"cluster {named(live.context)}"
        try:
            namespaces = live.objects("namespaces")
        except NotAuthenticatedError as error:
            self._failures.append(self._not_authenticated(key, place, live.context, error))
            return None
        except NoPermissionError as error:
            self._not_checked.append(f"{where}, namespaces: {error}")
            namespaces = None
        except CouldNotLookError as error:
            self._failures.append(self._no_cluster(live_rules.CLUSTER_UNREACHABLE, place, live.context, error))
            return None
        self._compare_issuers(key, live, place)
        service_accounts = self._asked(f"{where}, service accounts", partial(live.objects, "serviceaccounts"))
        metadata = [each["metadata"] for each in namespaces or ()]
        return ClusterReads(
            None if namespaces is None else frozenset(each["name"] for each in metadata),
            frozenset(each["name"] for each in metadata if each.get("deletionTimestamp")),
            None if service_accounts is None else dict(map(service_account_of, service_accounts)),
        )

    def _connected(self, key: str, place: Place) -> LiveCluster | None:
        """Return the cluster of a kubeconfig's context; it is not asked anything yet."""
        inputs = self._inputs(key)
        if inputs is None:
            return None
        kubeconfig, context = inputs.get("kubeconfig"), inputs.get("context")
        missing = None
        if kubeconfig is None or (isinstance(kubeconfig, str) and not _is_content(kubeconfig)):
            missing = kubeconfig_mistake(place, [Path(kubeconfig)] if kubeconfig else [], context, os.environ)
        try:
            if missing is None:
                return LiveCluster(configuration(inputs))
        except SecretInStateError:
            self._not_checked.append(f"the cluster of irsa:{path_of(place)}: its kubeconfig is a secret")
            return None
        except CouldNotLookError as error:
            missing = self._no_cluster(live_rules.CONTEXT_MISSING, place, context or "", error)
        self._failures.append(missing)
        return None

    def _inputs(self, key: str) -> dict[str, Any] | None:
        """Return the inputs of the cluster's Kubernetes provider, as `program.resolve` creates it."""
        access = self._clusters[key].kubernetes
        if access and access.eks:
            kubeconfig = self._answer(live_rules.CLUSTER_UNREACHABLE, partial(self._ask.eks_kubeconfig, key))
            return None if kubeconfig is None else {"kubeconfig": kubeconfig}
        inputs = dict(self._kubernetes)
        if access:
            inputs = {"kubeconfig": access.kubeconfig, "context": access.context}
        kubeconfig = inputs.get("kubeconfig")
        if isinstance(kubeconfig, str) and not _is_content(kubeconfig):
            inputs["kubeconfig"] = str(self._folder / Path(kubeconfig).expanduser())
        return inputs

    def _no_cluster(self, rule: str, place: Place, context: str, error: CouldNotLookError) -> LocatedMistake:
        which = f"the context {named(context)}" if context else "the current context"
        return kubernetes_mistake(error, place, which, rule)

    def _not_authenticated(self, key: str, place: Place, context: str, error: CouldNotLookError) -> LocatedMistake:
        """Return the mistake for credentials that the cluster does not know: EKS may lack their access entry."""
        cluster = self._clusters[key]
        access = cluster.kubernetes
        if access and access.eks and "API" in self._ask.eks_cluster(key).authentication_mode:
            about = f"EKS cluster {named(cluster.name or '')}, access entries"
            if self._asked(about, partial(self._cloud.has_access_entry, cluster)) is False:
                principal = self._cloud.principal(cluster.aws_account)
                found = f"{named(principal)} has no access entry in the EKS cluster {named(cluster.name or '')}"
                allowed = "an access entry that may write service accounts"
                fix = f"create it: {commands.create_access_entry(cluster.name or '', principal, cluster.region)}"
                return finding(live_rules.ACCESS_ENTRY_MISSING, place, found, allowed, fix)
        return self._no_cluster(live_rules.CLUSTER_UNREACHABLE, place, context, error)

    def _compare_issuers(self, key: str, live: LiveCluster, place: Place) -> None:
        issuer = self._asked(f"cluster {named(live.context)}, its issuer", lambda: live.issuer)
        try:
            expected = self._ask.issuer(key)
        except LookupFailure:
            return
        if issuer and issuer_host_path(issuer) != issuer_host_path(expected):
            found = f"the context {named(live.context)} is of another cluster: its issuer is {named(issuer)}"
            allowed = f"the cluster of irsa:{path_of(self._stack.place_of_cluster(key))}: {named(expected)}"
            fix = f"name the context of that cluster; these exist: {commands.list_contexts()}"
            self._failures.append(finding(live_rules.WRONG_CLUSTER, place, found, allowed, fix))


def _is_content(kubeconfig: str) -> bool:
    """Return whether a provider's kubeconfig is one, and not the path of one."""
    return "\n" in kubeconfig or kubeconfig.startswith("{")
