"""Look-ups: AWS accounts, EKS clusters, other stacks' outputs and IAM OIDC providers, each looked up once.

They block, and each blocking call runs all waiting tasks of the SDK. So they come before the resources of any binding.
"""

import asyncio
from functools import partial
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from irsa.rules.arns import issuer_host_path
from irsa.rules.unknown import text_of
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import ClusterKeys
from irsa_program.lookups import live_rules
from irsa_program.lookups.access import Access, aws_settings, kubernetes_inputs
from irsa_program.lookups.failures import Question, asked_aws_account, aws_mistake
from irsa_program.lookups.imported import import_differences, imports
from irsa_program.lookups.plugins import Plugins, read_imports
from irsa_program.lookups.questions import Questions
from irsa_program.lookups.values import Lookups, Needs, ResolvedCluster
from irsa_program.plan import Plan, PlannedComponent
from irsa_program.settings import StackSettings
from irsa_world.exits import CouldNotLookError

CONCURRENT = 8


def resolve(settings: StackSettings, needs: Needs, access: Access) -> Lookups:
    """Return what the bindings need, each part looked up once; no OIDC provider is created yet.

    Raises:
        pulumi.RunError: All look-ups that failed; what several of them say is reported once.
    """
    stack = settings.stack
    clusters = stack.clusters_by_key
    plugins = Plugins(stack, access)
    ask = Questions(stack, needs, plugins, aws_settings())
    found = ask.lookups([key for key in needs.variables if key in needs.account_ids])
    providers = {key: ask.answer(live_rules.CREDENTIALS, partial(plugins.aws_provider, key)) for key in needs.variables}
    in_use = [(key, cluster.kubernetes) for key, cluster in clusters.items() if key in needs.kubernetes]
    by_eks = [key for key, its_access in in_use if its_access and its_access.eks]
    unreachable = live_rules.CLUSTER_UNREACHABLE
    kubeconfigs = {key: ask.answer(unreachable, partial(ask.eks_kubeconfig, key)) for key in by_eks}
    every = [*access.aws_accounts.values(), *access.clusters, *ask.failures]
    if failures := {str(mistake): mistake for mistake in every}:
        heading = f"{len(failures)} look-up{'s' if len(failures) > 1 else ''} failed"
        raise pulumi.RunError("\n".join([heading, *(f"  {mistake}" for mistake in settings.placed(failures.values()))]))
    resolved = {**found.clusters}
    for key, _ in in_use:
        resolved[key] = _with_provider(resolved[key], clusters[key], kubeconfigs.get(key), settings.folder)
    return found._replace(aws_providers=providers, clusters=resolved)


async def import_mistakes(settings: StackSettings, planned: Plan, lookups: Lookups) -> list[LocatedMistake]:
    """Return the imports that differ from what is declared: AWS is asked before any resource is registered."""
    config = pulumi.Config("aws")
    some_at_once = asyncio.Semaphore(CONCURRENT)
    by_default = {name: config.get(name) for name in ("defaultTags", "ignoreTags")}

    async def of_component(component: PlannedComponent) -> list[LocatedMistake]:
        key, aws_account, spec = component.binding.key, component.aws_account, component.spec
        try:
            async with some_at_once:
                there = await read_imports(spec, lookups.aws_providers[aws_account])
        except CouldNotLookError as error:
            asked = asked_aws_account(settings.stack.aws_accounts, aws_account, aws_settings())
            question = Question(("bindings", key, "import"), "what is to be imported", "iam:GetRole", asked)
            return [aws_mistake(error, question)]
        return [*import_differences(key, spec, there, {} if aws_account else by_default)]

    found = await asyncio.gather(*(of_component(each) for each in planned.components if imports(each.spec)))
    return [mistake for mistakes in found for mistake in mistakes]


def _with_provider(
    resolved: ResolvedCluster, cluster: ClusterKeys, eks_kubeconfig: str | None, folder: Path
) -> ResolvedCluster:
    """Return a cluster with the provider of its Kubernetes API; None for the stack's default one."""
    access = cluster.kubernetes
    if access is None:
        config = pulumi.Config("kubernetes")
        settings = {name: config.get(name) for name in ("kubeconfig", "context")}
        is_followed = not (config.get("cluster") or config.get("renderYamlToDirectory"))
        return resolved._replace(inputs=kubernetes_inputs(cluster, settings, folder) if is_followed else None)
    inputs = {"kubeconfig": eks_kubeconfig} if access.eks else kubernetes_inputs(cluster, {}, folder)
    # As it is written, a path is the same in each checkout: the plugin runs in the folder of Pulumi.yaml, too.
    kubeconfig = eks_kubeconfig if access.eks else access.kubeconfig
    provider = kubernetes.Provider(
        issuer_host_path(text_of(resolved.issuer)), kubeconfig=kubeconfig, context=access.context
    )
    return resolved._replace(provider=provider, inputs=inputs)
