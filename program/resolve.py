"""Look-ups: AWS accounts, EKS clusters, other stacks' outputs and IAM OIDC providers, each looked up once.

They block, and each blocking call runs all waiting tasks of the SDK. So they come before the resources of any binding.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from config.located_mistake import LocatedMistake
from config.models import Cluster, Stack
from irsa.outputs import LogicalName
from irsa.rules.arns import issuer_host_path
from program.access import Access, aws_settings
from program.identity import aws_provider, oidc_provider
from program.lookup_mistakes import Cause, failure_of
from program.lookups import Identity, Lookups, ResolvedAwsAccount, ResolvedCluster, audience_of, needs_of
from program.questions import EksCluster, LookupFailure, NoAnswerError, Questions, once
from program.settings import StackSettings

# The engine's function behind StackReference. It returns plain values, so that mistakes are reported together.
READ_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"
ANSWER = TypeVar("ANSWER")


def resolve(settings: StackSettings, access: Access) -> Lookups:
    """Return what the bindings need, each part looked up once.

    Args:
        settings: The settings of the stack.
        access: The AWS accounts and clusters that cannot be reached.

    Raises:
        pulumi.RunError: All look-ups that failed; no provider was created for a cluster.
    """
    stack = settings.stack
    needs, clusters = needs_of(stack), stack.clusters_by_key
    plugins = _Plugins(stack, access)
    ask = Questions(stack, needs, plugins, aws_settings())
    with_region = any("region" in names for names in needs.variables.values())
    identified = [aws_account for aws_account, names in needs.variables.items() if names & {"account", "partition"}]
    created = [pair for pair in needs.audiences if clusters[pair[0]].create_oidc_provider]
    existing = [pair for pair in needs.audiences if pair not in created]
    by_eks = [key for key, cluster in clusters.items() if key in needs.kubernetes and _by_eks(cluster)]
    _ask_all(
        [
            *([ask.region] if with_region else ()),
            *(partial(plugins.aws_provider, aws_account) for aws_account in needs.variables),
            *(partial(ask.identity, aws_account) for aws_account in identified),
            *(partial(ask.issuer, cluster) for cluster, _ in needs.audiences),
            *(partial(ask.own_issuer, cluster) for cluster in needs.kubernetes),
            *(partial(ask.oidc_provider, *pair) for pair in existing),
            *(partial(ask.eks_kubeconfig, cluster) for cluster in by_eks),
        ],
        [*access.aws_accounts.values(), *access.clusters],
        settings,
    )
    # No look-up fails from here on: no provider is created for a stack that stops.
    all_audiences = sorted({audience_of(binding) for binding in stack.bindings.values()})
    providers: dict[tuple[str, str | None], str | pulumi.Output[str]] = {
        pair: ask.oidc_provider(*pair) for pair in existing
    }
    for cluster, aws_account in created:
        issuer = ask.issuer(cluster)
        name = oidc_provider(stack, cluster, aws_account, issuer)
        providers[cluster, aws_account] = _created_provider(
            name, issuer, all_audiences, plugins.aws_provider(aws_account)
        )
    kubeconfigs = {cluster: ask.eks_kubeconfig(cluster) for cluster in by_eks}
    return Lookups(
        region=ask.region() if with_region else None,
        aws_accounts={
            aws_account: ResolvedAwsAccount(
                ask.identity(aws_account) if aws_account in identified else None, plugins.aws_provider(aws_account)
            )
            for aws_account in needs.variables
        },
        clusters={
            key: _resolved_cluster(key, cluster, ask.own_issuer(key), kubeconfigs.get(key), settings.folder)
            if key in needs.kubernetes
            else ResolvedCluster(cluster.name or "", None)
            for key, cluster in clusters.items()
        },
        oidc_providers=providers,
    )


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


class _Plugins:
    """AWS and other stacks, asked by Pulumi's plugins and by the engine; the answers are kept."""

    def __init__(self, stack: Stack, access: Access) -> None:
        self.answers: dict[Any, Any] = {}
        self._stack, self._refused = stack, access.aws_accounts

    @once
    def region(self) -> str:
        """Region of the stack."""
        self.aws_provider(None)
        return str(_answer(aws.get_region).region)

    @once
    def aws_provider(self, aws_account: str | None) -> aws.Provider | None:
        """The provider of an AWS account; None for the stack's default one. None is created for a refused account."""
        if aws_account in self._refused:
            raise LookupFailure(self._refused[aws_account])
        if aws_account is None:
            return None
        settings = self._stack.aws_accounts[aws_account]
        roles = [aws.ProviderAssumeRoleArgs(role_arn=settings.assume_role_arn)] if settings.assume_role_arn else None
        # The default provider's profile is not inherited; a role is assumed with the same credentials as the stack's.
        profile = settings.profile or pulumi.Config("aws").get("profile")
        name, region = aws_provider(self._stack, aws_account), settings.region or self.region()
        return aws.Provider(name.name, region=region, profile=profile, assume_roles=roles, opts=_options(name))

    def identity(self, aws_account: str | None) -> Identity:
        """Return the ID of an AWS account, and its partition."""
        options = self._options(aws_account)
        account_id = _answer(partial(aws.get_caller_identity, opts=options)).account_id
        return Identity(account_id, _answer(partial(aws.get_partition, opts=options)).partition)

    def eks_cluster(self, cluster: Cluster) -> EksCluster:
        """Return the description of a cluster."""
        options = self._options(cluster.aws_account)
        found = _answer(partial(aws.eks.get_cluster, name=cluster.name, region=cluster.region, opts=options))
        issuers = [oidc.issuer for identity in found.identities for oidc in identity.oidcs if oidc.issuer]
        authorities = [authority.data for authority in found.certificate_authorities or ()]
        return EksCluster(found.status, next(iter(issuers), None), found.endpoint, next(iter(authorities), None))

    def client_ids(self, provider_arn: str, aws_account: str | None) -> Collection[str]:
        """Return the client ID list of an IAM OIDC provider."""
        options = self._options(aws_account)
        return _answer(partial(aws.iam.get_open_id_connect_provider, arn=provider_arn, opts=options)).client_id_lists

    def stack_outputs(self, stack: str) -> Mapping[str, Any]:
        """Return the outputs of another stack."""
        answer: Any = _answer(partial(pulumi.runtime.invoke, READ_STACK_OUTPUTS, {"name": stack}))
        outputs: Mapping[str, Any] = answer.value["outputs"]
        return outputs

    def _options(self, aws_account: str | None) -> pulumi.InvokeOptions | None:
        """Return the options for a look-up in an AWS account."""
        provider = self.aws_provider(aws_account)
        return None if provider is None else pulumi.InvokeOptions(provider=provider)


def _answer(question: Callable[[], ANSWER]) -> ANSWER:
    """Return the answer of a plugin or the engine.

    Raises:
        pulumi.RunError: The engine stopped the program: its own message has the reason.
        NoAnswerError: There is none; with what was said instead.
    """
    try:
        return question()
    except Exception as error:
        if failure_of(str(error)).cause is Cause.STOPPED:
            raise pulumi.RunError("the look-ups had no answer: fix what the engine names, and run again") from None
        raise NoAnswerError(str(error)) from None


def _by_eks(cluster: Cluster) -> bool:
    return cluster.kubernetes is not None and cluster.kubernetes.eks


def _resolved_cluster(
    key: str, cluster: Cluster, issuer: str, eks_kubeconfig: str | None, folder: Path
) -> ResolvedCluster:
    """Return a cluster with the provider of its Kubernetes API; None for the stack's default one."""
    access = cluster.kubernetes
    if access is None:
        return ResolvedCluster(cluster.name or "", None, issuer)
    kubeconfig = str(folder / Path(access.kubeconfig).expanduser()) if access.kubeconfig else None
    name = LogicalName(issuer_host_path(issuer), (key,))
    provider = kubernetes.Provider(
        name.name,
        kubeconfig=eks_kubeconfig if access.eks else kubeconfig,
        context=None if access.eks else access.context,
        opts=_options(name),
    )
    return ResolvedCluster(cluster.name or "", provider, issuer)


def _created_provider(
    name: LogicalName, issuer: str, audiences: Sequence[str], provider: aws.Provider | None
) -> pulumi.Output[str]:
    """Create an AWS account's IAM OIDC provider for a cluster, and return its ARN."""
    return aws.iam.OpenIdConnectProvider(
        name.name, url=issuer, client_id_lists=audiences, opts=_options(name, provider=provider)
    ).arn


def _options(name: LogicalName, provider: pulumi.ProviderResource | None = None) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(provider=provider, aliases=[pulumi.Alias(name=alias) for alias in name.aliases])
