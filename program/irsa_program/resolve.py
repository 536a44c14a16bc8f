"""Look-ups: AWS accounts, EKS clusters, other stacks' outputs and IAM OIDC providers, each looked up once.

They block, and each blocking call runs all waiting tasks of the SDK. So they come before the resources of any binding.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from irsa.rules.arns import issuer_host_path
from irsa.spec import Spec
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import Cluster
from irsa_program.lookups.access import Access, asked_aws_account, aws_settings, kubernetes_inputs
from irsa_program.lookups.failures import Question, aws_mistake
from irsa_program.lookups.imported import import_differences, imports
from irsa_program.lookups.plugins import Plugins, imported
from irsa_program.lookups.questions import LookupFailure, Questions
from irsa_program.lookups.values import Lookups, ResolvedAwsAccount, ResolvedCluster, known_provider, needs_of
from irsa_program.plan import Plan, PlannedComponent
from irsa_program.settings import StackSettings
from irsa_world.exits import CouldNotLookError

CONCURRENT = 8


def resolve(settings: StackSettings, access: Access) -> Lookups:
    """Return what the bindings need, each part looked up once; no OIDC provider is created yet.

    Raises:
        pulumi.RunError: All look-ups that failed.
    """
    stack = settings.stack
    needs, clusters = needs_of(stack), stack.clusters_by_key
    plugins = Plugins(stack, access)
    ask = Questions(stack, needs, plugins, aws_settings())
    with_region = any("region" in names for names in needs.variables.values())
    identified = [key for key, names in needs.variables.items() if names & {"account", "partition"}]
    identified += [key for key in needs.variables if key in needs.account_ids and key not in identified]
    created = [pair for pair in needs.audiences if clusters[pair[0]].create_oidc_provider]
    existing = [pair for pair in needs.audiences if pair not in created]
    in_use = [(key, cluster.kubernetes) for key, cluster in clusters.items() if key in needs.kubernetes]
    by_eks = [key for key, access in in_use if access and access.eks]
    _ask_all(
        [
            *([ask.region] if with_region else ()),
            *(partial(plugins.aws_provider, aws_account) for aws_account in needs.variables),
            *(partial(ask.identity, aws_account) for aws_account in identified),
            *(partial(ask.issuer, cluster) for cluster, _ in needs.audiences),
            *(partial(ask.issuer, cluster) for cluster in needs.kubernetes),
            *(
                partial(question, cluster)
                for cluster in needs.cluster_arns
                for question in (ask.cluster_arn, ask.issuer)
            ),
            *(partial(ask.oidc_provider, *pair) for pair in existing),
            *(partial(ask.eks_kubeconfig, cluster) for cluster in by_eks),
        ],
        [*access.aws_accounts.values(), *access.clusters],
        settings,
    )
    kubeconfigs = {cluster: ask.eks_kubeconfig(cluster) for cluster in by_eks}
    identities = {key: ask.identity(key) for key in identified}
    samples = {
        (key, account): known_provider(clusters[key], account, identities.get(account), ask.issuer(key))
        for key, account in created
    }
    return Lookups(
        region=ask.region() if with_region else None,
        aws_accounts={
            aws_account: ResolvedAwsAccount(identities.get(aws_account), plugins.aws_provider(aws_account))
            for aws_account in needs.variables
        },
        clusters={
            key: (
                _resolved_cluster(cluster, ask.issuer(key), kubeconfigs.get(key), settings.folder)
                if key in needs.kubernetes
                else ResolvedCluster(cluster.name or "", None, ask.issuer(key) if key in needs.cluster_arns else "")
            )._replace(arn=ask.cluster_arn(key) if key in needs.cluster_arns else "")
            for key, cluster in clusters.items()
        },
        oidc_providers={**{pair: ask.oidc_provider(*pair) for pair in existing}, **samples},
        issuers_to_create={pair: ask.issuer(pair[0]) for pair in created},
    )


async def import_mistakes(settings: StackSettings, planned: Plan, lookups: Lookups) -> list[LocatedMistake]:
    """Return the imports that differ from what is declared: AWS is asked before any resource is registered."""
    config = pulumi.Config("aws")
    some_at_once = asyncio.Semaphore(CONCURRENT)
    by_default = {name: config.get(name) for name in ("defaultTags", "ignoreTags")}

    async def of_component(component: PlannedComponent, spec: Spec) -> list[LocatedMistake]:
        key, aws_account = component.binding, component.aws_account
        try:
            async with some_at_once:
                there = await imported(spec, lookups.aws_accounts[aws_account].provider)
        except CouldNotLookError as error:
            asked = asked_aws_account(settings.stack.aws_accounts, aws_account, aws_settings())
            question = Question(("bindings", key, "import"), "what is to be imported", "iam:GetRole", asked)
            return [aws_mistake(error, question)]
        return [*import_differences(key, spec, there, {} if aws_account else by_default)]

    found = await asyncio.gather(*(of_component(*each) for each in planned.components if imports(each[1])))
    return [mistake for mistakes in found for mistake in mistakes]


def _ask_all(
    questions: Iterable[Callable[[], object]], known: Iterable[LocatedMistake], settings: StackSettings
) -> None:
    """Ask every question.

    Raises:
        pulumi.RunError: The known mistakes and all look-ups that failed; what several of them say is reported once.
    """
    failures = {str(mistake): mistake for mistake in known}
    for question in questions:
        try:
            question()
        except LookupFailure as failure:
            failures[str(failure.mistake)] = failure.mistake
    if failures:
        heading = f"{len(failures)} look-up{'s' if len(failures) > 1 else ''} failed"
        raise pulumi.RunError("\n".join([heading, *(f"  {mistake}" for mistake in settings.placed(failures.values()))]))


def _resolved_cluster(cluster: Cluster, issuer: str, eks_kubeconfig: str | None, folder: Path) -> ResolvedCluster:
    """Return a cluster with the provider of its Kubernetes API; None for the stack's default one."""
    access = cluster.kubernetes
    if access is None:
        config = pulumi.Config("kubernetes")
        settings = {name: config.get(name) for name in ("kubeconfig", "context")}
        is_followed = not (config.get("cluster") or config.get("renderYamlToDirectory"))
        inputs = kubernetes_inputs(cluster, settings, folder) if is_followed else None
        return ResolvedCluster(cluster.name or "", None, issuer, inputs=inputs)
    inputs = {"kubeconfig": eks_kubeconfig} if access.eks else kubernetes_inputs(cluster, {}, folder)
    name, kubeconfig, context = issuer_host_path(issuer), inputs["kubeconfig"], inputs.get("context")
    provider = kubernetes.Provider(name, kubeconfig=kubeconfig, context=context)
    return ResolvedCluster(cluster.name or "", provider, issuer, inputs=inputs)
