"""Read AWS and Kubernetes: few bulk reads, however many bindings there are. Nothing here writes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from irsa import types
from irsa.rules import commands
from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import Place, named, path_of
from irsa_config.stack import Stack
from irsa_program.live.given_up import gives_up, whose_pods
from irsa_program.live.held import Held
from irsa_program.live.reads import AwsReads, ClusterReads
from irsa_program.lookups import access, live_rules
from irsa_program.lookups.cloud import LiveCloud
from irsa_program.lookups.failures import kubernetes_mistake
from irsa_program.lookups.live_rules import finding
from irsa_program.lookups.questions import LookupFailure, Questions
from irsa_program.lookups.values import Lookups, Needs
from irsa_program.plan import PlannedComponent
from irsa_world.exits import CouldNotLookError, NoPermissionError, NotAuthenticatedError, SecretInStateError
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubeconfig import UnreadKeyError
from irsa_world.live.kubernetes import ClusterClient
from irsa_world.live.once import Answer
from irsa_world.model import Association
from irsa_world.pods import by_service_account

CONCURRENT = 8
Associations = Mapping[tuple[str, str], Association]


class CloudReader:
    """Reads what a stack needs; what fails is kept: as a mistake where `pulumi up` fails too, else as not checked."""

    def __init__(
        self, stack: Stack, needs: Needs, aws: Mapping[str, Any], kubernetes: Mapping[str, Any], folder: Path
    ) -> None:
        """Take the settings.

        Args:
            aws: The settings `aws:` of the stack's default provider, by their names without it.
            kubernetes: The settings `kubernetes:`.
            folder: The folder of Pulumi.yaml, to which the paths of kubeconfigs are relative.
        """
        self._stack, self._needs, self._kubernetes, self._folder = stack, needs, kubernetes, folder
        self._clusters = stack.clusters_by_key
        self._cloud = LiveCloud(stack, aws, folder)
        self._ask = Questions(stack, needs, self._cloud, aws)
        self.failures = self._ask.failures
        # Why questions that `pulumi up` does not ask have no answer, and whether one of them was allowed.
        self.not_checked: list[str] = []
        self.unanswered = self.has_answers = False

    def lookups(self) -> Lookups:
        """Return the look-ups of `pulumi up`, without Pulumi's objects, as far as they have an answer."""
        used = access.used_aws_accounts(self._stack, self._needs)
        found = self._ask.lookups([key for key in self._needs.variables if key in used])
        # What the stack creates has the ARN that is known beforehand.
        providers = {pair: str(arn) for pair, arn in found.oidc_providers.items()}
        answered = {key: each for key, each in found.aws_accounts.items() if each or key not in used}
        return found._replace(aws_accounts=answered, oidc_providers=providers)

    def reads(
        self, components: Sequence[PlannedComponent], held: Held
    ) -> tuple[Mapping[str | None, AwsReads], Mapping[str, ClusterReads]]:
        """Return what AWS accounts and clusters have by their keys, as far as it matters for the plan.

        Args:
            components: The components of the plan.
            held: What the stack's state holds: of that, nobody is asked whether somebody else has it.
        """
        created = {each.aws_account for each in components if each.spec.role}
        # Whether one of its associations is to be created, by cluster.
        with_associations: dict[str, bool] = {}
        # The namespaces whose Pods are to be read.
        with_pods: dict[str, set[str]] = {}
        for each in components:
            key, change = each.cluster or "", gives_up(each, held)
            if change:
                with_pods.setdefault(key, set()).update(name.partition("/")[0] for name in whose_pods(each, change))
            for association in each.spec.of(types.POD_IDENTITY_ASSOCIATION):
                is_new = held.find(types.POD_IDENTITY_ASSOCIATION, association.logical_name) is None
                with_associations[key] = with_associations.get(key, False) or is_new
        used = [key for key in self._clusters if key in self._needs.kubernetes]
        clusters = {key: live for key in used if (live := self._connected(key))}
        with ThreadPoolExecutor(CONCURRENT) as pool:
            reached = [key for key in self._cloud.reached if key in created]
            in_iam = {key: pool.submit(self._aws_reads, self._cloud.client(key)) for key in reached}
            in_clusters = {
                key: pool.submit(self._cluster_reads, live, with_pods.get(key, set())) for key, live in clusters.items()
            }
            in_eks = {key: pool.submit(self._eks_reads, key, creates) for key, creates in with_associations.items()}
        found = {key: self._judged(key, live, in_clusters[key]) for key, live in clusters.items()}
        for key, of_eks in in_eks.items():
            has_agent, associations = of_eks.result()
            found[key] = replace(found.get(key, ClusterReads()), has_agent=has_agent, associations=associations)
        return {key: future.result() for key, future in in_iam.items()}, found

    def _optional(self, what: str, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer to a question that `pulumi up` does not ask; None where there is none."""
        try:
            answer = question()
        except CouldNotLookError as error:
            self.not_checked.append(f"{what}: {error}")
            # No `|=`: another thread may write in between.
            if not isinstance(error, NoPermissionError):
                self.unanswered = True
            return None
        self.has_answers = True
        return answer

    def _place(self, key: str) -> Place:
        """Return the place of the settings by which a cluster is reached."""
        place = self._stack.place_of_cluster(key)
        return (*place, "kubernetes") if self._clusters[key].kubernetes else place

    def _judged(self, key: str, live: ClusterClient, read: "Future[tuple[ClusterReads, str | None]]") -> ClusterReads:
        """Return what a cluster has; that it is not reached, or has a wrong issuer, is kept as a failure."""
        place, context = self._place(key), live.context
        try:
            found, issuer = read.result()
        except CouldNotLookError as error:
            rule, write = live_rules.CLUSTER_UNREACHABLE, self._to_write(key)
            self.failures.append(kubernetes_mistake(error, place, context, live.place, rule, write=write))
            return ClusterReads()
        with suppress(LookupFailure):
            expected = self._ask.issuer(key)
            if issuer and issuer_host_path(issuer) != issuer_host_path(expected):
                text = f"the context {named(context)} is of another cluster: its issuer is {named(issuer)}"
                allowed = f"the cluster of irsa:{path_of(self._stack.place_of_cluster(key))}: {named(expected)}"
                fix = f"name the context of that cluster; these exist: {commands.list_contexts(live.place.kubeconfig)}"
                self.failures.append(finding(live_rules.WRONG_CLUSTER, place, text, allowed, fix))
        return found

    def _connected(self, key: str) -> ClusterClient | None:
        """Return the cluster of a kubeconfig's context; it is not asked anything yet."""
        inputs, place = self._inputs(key), self._place(key)
        if inputs is None:
            return None
        write = self._to_write(key)
        missing = access.kubeconfig_mistake(place, inputs, write)
        try:
            if missing is None:
                return ClusterClient(inputs)
        except (SecretInStateError, UnreadKeyError) as error:
            why = "its kubeconfig is a secret" if isinstance(error, SecretInStateError) else str(error)
            self.not_checked.append(f"the cluster of irsa:{path_of(place)}: {why}")
            self.unanswered = True
            return None
        except CouldNotLookError as error:
            place = access.kubernetes_setting(place, "kubeconfig") if inputs.get("kubeconfig") else place
            fix = f"correct it, or write it again: {write}"
            missing = finding(live_rules.CONTEXT_MISSING, place, str(error), "a kubeconfig that can be read", fix)
        self.failures.append(missing)
        return None

    def _inputs(self, key: str) -> dict[str, Any] | None:
        """Return the inputs of the cluster's Kubernetes provider, as `irsa_program.resolve` creates it."""
        kubernetes = self._clusters[key].kubernetes
        if kubernetes and kubernetes.eks:
            kubeconfig = self._ask.answer(live_rules.CLUSTER_UNREACHABLE, partial(self._ask.eks_kubeconfig, key))
            return None if kubeconfig is None else {"kubeconfig": kubeconfig}
        return access.kubernetes_inputs(self._clusters[key], self._kubernetes, self._folder)

    def _to_write(self, key: str) -> str:
        """Return the command that writes the context of a cluster."""
        cluster = self._clusters[key]
        return access.command_to_write(self._ask.place(cluster), cluster, self._inputs(key) or {})

    def _aws_reads(self, live: AwsAccountClient) -> AwsReads:
        """Return what an AWS account has that matters for roles that are created."""
        ask, where = self._optional, f"AWS account {live.number}"
        roles = ask(f"{where}, names of roles", live.listed_roles)
        providers = ask(f"{where}, OIDC providers", live.oidc_providers)
        return AwsReads(
            live.number,
            roles,
            ask(f"{where}, managed policies", live.policies),
            None if providers is None else frozenset(providers),
            ask(f"{where}, quotas", live.summary),
        )

    def _eks_reads(self, key: str, with_associations: bool) -> tuple[bool | None, Associations | None]:
        """Return whether a cluster has the agent of EKS Pod Identity, and its associations where they matter."""
        cluster, name = self._clusters[key], self._clusters[key].name or ""
        where, eks = f"EKS cluster {named(name)}", self._cloud.eks(cluster)
        described = self._ask.eks_cluster(key)
        has_agent = self._optional(
            f"{where}, its add-on of EKS Pod Identity",
            lambda: described.auto_mode or eks.addon_status(name) is not None,
        )
        listed = self._optional(f"{where}, associations", lambda: eks.listed(name)) if with_associations else None
        return has_agent, None if listed is None else {(each.namespace, each.service_account): each for each in listed}

    def _cluster_reads(self, live: ClusterClient, with_pods: Collection[str]) -> tuple[ClusterReads, str | None]:
        """Return what a cluster has, and its issuer; Pods of these namespaces only, by one list."""
        where = f"cluster {named(live.context)}"
        try:
            namespaces = live.namespaces()
        except NoPermissionError as error:
            if isinstance(error, NotAuthenticatedError):
                raise
            self.not_checked.append(f"{where}, namespaces: {error}")
            namespaces = None
        issuer = self._optional(f"{where}, its issuer", lambda: live.issuer)
        found = self._optional(f"{where}, service accounts", partial(live.service_accounts, None))
        by_name = None if found is None else {(each.namespace, each.name): each for each in found}
        only = next(iter(with_pods)) if len(with_pods) == 1 else None
        pods = self._optional(f"{where}, Pods", partial(live.pods, only)) if with_pods else None
        by_account = None if pods is None else by_service_account(pods)
        return ClusterReads(namespaces, by_name, by_account, place=live.place), issuer
