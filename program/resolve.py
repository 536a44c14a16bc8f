"""Look-ups: AWS accounts, EKS clusters, other stacks' outputs and IAM OIDC providers, each looked up once.

They block, and each blocking call runs all waiting tasks of the SDK. So they come before the resources of any binding.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from config.located_mistake import LocatedMistake
from config.models import AwsAccount, Cluster, Stack
from irsa.outputs import LogicalName
from irsa.rules import commands
from irsa.rules.arns import check_issuer, issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, Place
from program import lookup_mistakes as mistakes
from program.access import Access, asked_aws_account
from program.identity import aws_provider, oidc_provider
from program.lookup_mistakes import AskedAwsAccount, Cause, Failure, Question, aws_mistake, failure_of
from program.lookups import (
    Identity,
    Lookups,
    Needs,
    ResolvedAwsAccount,
    ResolvedCluster,
    audience_of,
    needs_of,
)
from program.settings import placed

# The engine's function behind StackReference. It returns plain values, so that mistakes are reported together.
READ_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"
KEY = ParamSpec("KEY")
ANSWER = TypeVar("ANSWER")


class LookupFailure(Exception):
    """A look-up that failed, or whose answer is a mistake."""

    def __init__(self, mistake: LocatedMistake) -> None:
        super().__init__(mistake.mistake.found)
        self.mistake = mistake


def resolve(stack: Stack, folder: Path, access: Access) -> Lookups:
    """Return what the bindings need, each part looked up once.

    Args:
        stack: The settings.
        folder: The folder of Pulumi.yaml, to which the paths of kubeconfigs are relative.
        access: The AWS accounts and clusters that cannot be reached.

    Raises:
        pulumi.RunError: All look-ups that failed; no provider was created for a cluster.
    """
    needs, clusters = needs_of(stack), stack.clusters_by_key
    ask = _Questions(stack, needs, access)
    with_region = any("region" in names for names in needs.variables.values())
    identified = [aws_account for aws_account, names in needs.variables.items() if names & {"account", "partition"}]
    created = [pair for pair in needs.audiences if clusters[pair[0]].create_oidc_provider]
    existing = [pair for pair in needs.audiences if pair not in created]
    by_eks = [key for key, cluster in clusters.items() if key in needs.kubernetes and _by_eks(cluster)]
    _ask_all(
        [
            *([ask.region] if with_region else ()),
            *(partial(ask.aws_provider, aws_account) for aws_account in needs.variables),
            *(partial(ask.identity, aws_account) for aws_account in identified),
            *(partial(ask.issuer, cluster) for cluster, _ in needs.audiences),
            *(partial(ask.own_issuer, cluster) for cluster in needs.kubernetes),
            *(partial(ask.oidc_provider, *pair) for pair in existing),
            *(partial(ask.eks_kubeconfig, cluster) for cluster in by_eks),
        ],
        [*access.aws_accounts.values(), *access.clusters],
        folder,
    )
    # No look-up fails from here on: no provider is created for a stack that stops.
    all_audiences = sorted({audience_of(binding) for binding in stack.bindings.values()})
    providers: dict[tuple[str, str | None], str | pulumi.Output[str]] = {
        pair: ask.oidc_provider(*pair) for pair in existing
    }
    for cluster, aws_account in created:
        issuer = ask.issuer(cluster)
        name = oidc_provider(stack, cluster, aws_account, issuer)
        providers[cluster, aws_account] = _created_provider(name, issuer, all_audiences, ask.aws_provider(aws_account))
    kubeconfigs = {cluster: ask.eks_kubeconfig(cluster) for cluster in by_eks}
    return Lookups(
        region=ask.region() if with_region else None,
        aws_accounts={
            aws_account: ResolvedAwsAccount(
                ask.identity(aws_account) if aws_account in identified else None, ask.aws_provider(aws_account)
            )
            for aws_account in needs.variables
        },
        clusters={
            key: _resolved_cluster(key, cluster, ask.own_issuer(key), kubeconfigs.get(key), folder)
            if key in needs.kubernetes
            else ResolvedCluster(cluster.name or "", None)
            for key, cluster in clusters.items()
        },
        oidc_providers=providers,
    )


def _ask_all(questions: Iterable[Callable[[], object]], known: Iterable[LocatedMistake], folder: Path) -> None:
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
        raise pulumi.RunError("\n".join([heading, *(f"  {mistake}" for mistake in placed(failures.values(), folder))]))


def _once(
    question: Callable[Concatenate["_Questions", KEY], ANSWER],
) -> Callable[Concatenate["_Questions", KEY], ANSWER]:
    """Return the question so that it is asked once: the answer, or the failure, is kept."""

    def asked(self: "_Questions", /, *key: KEY.args, **named: KEY.kwargs) -> ANSWER:
        asked_for = (question, *key)
        if asked_for not in self.answers:
            try:
                self.answers[asked_for] = question(self, *key, **named)
            except LookupFailure as failure:
                self.answers[asked_for] = failure
        answer: ANSWER | LookupFailure = self.answers[asked_for]
        if isinstance(answer, LookupFailure):
            raise answer
        return answer

    return asked


class _Questions:
    """The look-ups of AWS accounts and clusters; the answers are kept."""

    def __init__(self, stack: Stack, needs: Needs, access: Access) -> None:
        self.answers: dict[Any, Any] = {}
        self._aws_accounts, self._clusters, self._audiences = stack.aws_accounts, stack.clusters_by_key, needs.audiences
        self._kubernetes = [cluster for cluster in self._clusters if cluster in needs.kubernetes]
        self._provider_name = partial(aws_provider, stack)
        self._refused = access.aws_accounts
        self._place: Callable[[str], Place] = stack.place_of_cluster

    @_once
    def region(self) -> str:
        """Region of the stack."""
        self.aws_provider(None)
        try:
            return aws.get_region().region
        except Exception as error:
            # It calls no API: what fails is the configuration of the provider, which asks whose credentials it has.
            question = Question((), "the region of the stack", "sts:GetCallerIdentity", self._asked(None))
            raise LookupFailure(aws_mistake(_failure(error), question)) from None

    @_once
    def aws_provider(self, aws_account: str | None) -> aws.Provider | None:
        """The provider of an AWS account; None for the stack's default one. None is created for a refused account."""
        if aws_account in self._refused:
            raise LookupFailure(self._refused[aws_account])
        if aws_account is None:
            return None
        settings = self._aws_accounts[aws_account]
        roles = [aws.ProviderAssumeRoleArgs(role_arn=settings.assume_role_arn)] if settings.assume_role_arn else None
        # The default provider's profile is not inherited; a role is assumed with the same credentials as the stack's.
        profile = settings.profile or pulumi.Config("aws").get("profile")
        name, region = self._provider_name(aws_account), settings.region or self.region()
        return aws.Provider(name.name, region=region, profile=profile, assume_roles=roles, opts=_options(name))

    @_once
    def identity(self, aws_account: str | None) -> Identity:
        """The ID of an AWS account, and its partition."""
        options = self._options(aws_account)
        try:
            account_id = aws.get_caller_identity(opts=options).account_id
            return Identity(account_id, aws.get_partition(opts=options).partition)
        except Exception as error:
            asked = self._asked(aws_account)
            question = Question(asked.place, "the identity", "sts:GetCallerIdentity", asked)
            raise LookupFailure(aws_mistake(_failure(error), question)) from None

    @_once
    def issuer(self, cluster: str) -> str:
        """The OIDC issuer of a cluster's service account tokens."""
        settings = self._clusters[cluster]
        if settings.oidc_issuer:
            return settings.oidc_issuer
        if settings.stack:
            return self._stack_output(cluster, "oidcIssuer", check_issuer)
        found = self.eks_cluster(cluster)
        issuers = [oidc.issuer for identity in found.identities for oidc in identity.oidcs if oidc.issuer]
        if not issuers:
            raise LookupFailure(self._not_ready(cluster, found.status))
        return issuers[0]

    @_once
    def own_issuer(self, cluster: str) -> str:
        """The issuer of a cluster whose Kubernetes API is used: by it, what is there is told from other clusters'."""
        issuer = self.issuer(cluster)
        for other in self._kubernetes[: self._kubernetes.index(cluster)]:
            if self.issuer(other) == issuer:
                raise LookupFailure(mistakes.issuer_twice(self._place(cluster), issuer, self._place(other)))
        return issuer

    @_once
    def oidc_provider(self, cluster: str, aws_account: str | None) -> str:
        """The ARN of an AWS account's IAM OIDC provider for a cluster; the provider lists all audiences in use."""
        settings, audiences = self._clusters[cluster], self._audiences[cluster, aws_account]
        is_of_cluster = aws_account == settings.aws_account
        if is_of_cluster and settings.oidc_provider_arn:
            arn = settings.oidc_provider_arn
        elif is_of_cluster and settings.stack:
            arn = self._stack_output(cluster, "oidcProviderArn", _checked_provider)
        else:
            identity = self.identity(aws_account)
            arn = oidc_provider_arn(identity.partition, identity.account_id, self.issuer(cluster))
        issuer, place = self.issuer(cluster), self._place(cluster)
        provider = parse_iam_arn(arn, "oidc-provider")
        if provider.resource != issuer_host_path(issuer):
            raise LookupFailure(mistakes.provider_of_other_issuer(place, arn, issuer))
        options = self._options(aws_account)
        try:
            client_ids = aws.iam.get_open_id_connect_provider(arn=arn, opts=options).client_id_lists
        except Exception as error:
            failure, asked = _failure(error), self._asked(aws_account)
            if failure.cause is Cause.NOT_FOUND:
                command = _creating_command(settings, aws_account, issuer, audiences)
                raise LookupFailure(mistakes.provider_missing(place, provider.account_id, issuer, command)) from None
            question = Question(place, f"the IAM OIDC provider {arn}", "iam:GetOpenIDConnectProvider", asked)
            raise LookupFailure(aws_mistake(failure, question)) from None
        missing = sorted(audiences - set(client_ids))
        if missing:
            raise LookupFailure(mistakes.audience_missing(place, arn, missing, client_ids))
        return arn

    @_once
    def eks_cluster(self, cluster: str) -> aws.eks.AwaitableGetClusterResult:
        """The description of a cluster in EKS."""
        settings = self._clusters[cluster]
        options = self._options(settings.aws_account)
        try:
            return aws.eks.get_cluster(name=settings.name, region=settings.region, opts=options)
        except Exception as error:
            failure, place = _failure(error), (*self._place(cluster), "name")
            asked = self._asked(settings.aws_account, settings.region)
            if failure.cause is Cause.NOT_FOUND:
                asked = asked._replace(number=self._number(settings.aws_account) or asked.number)
                raise LookupFailure(mistakes.cluster_missing(place, settings.name or "", asked)) from None
            question = Question(place, f"the EKS cluster {settings.name!r}", "eks:DescribeCluster", asked)
            raise LookupFailure(aws_mistake(failure, question)) from None

    @_once
    def eks_kubeconfig(self, cluster: str) -> str:
        """The kubeconfig, as JSON, of a cluster with `kubernetes.eks`."""
        settings, found = self._clusters[cluster], self.eks_cluster(cluster)
        if not found.certificate_authorities:
            raise LookupFailure(self._not_ready(cluster, found.status))
        aws_account = self._settings_of(settings.aws_account)
        region = settings.region or aws_account.region or self.region()
        authority = found.certificate_authorities[0].data
        return json.dumps(eks_kubeconfig(settings.name or "", region, found.endpoint, authority, aws_account))

    @_once
    def stack_outputs(self, cluster: str) -> Mapping[str, Any]:
        """The outputs of the stack in a cluster's `stack`."""
        stack = self._clusters[cluster].stack
        try:
            answer: Any = pulumi.runtime.invoke(READ_STACK_OUTPUTS, {"name": stack})
        except Exception as error:
            place = (*self._place(cluster), "stack")
            raise LookupFailure(mistakes.stack_unreadable(place, stack or "", _failure(error))) from None
        outputs: Mapping[str, Any] = answer.value["outputs"]
        return outputs

    def _stack_output(self, cluster: str, name: str, checked: Callable[[str], str]) -> str:
        """Return another stack's output, checked: it was not known when the stack file was checked."""
        outputs, stack, place = (
            self.stack_outputs(cluster),
            self._clusters[cluster].stack,
            (*self._place(cluster), "stack"),
        )
        if name not in outputs:
            raise LookupFailure(mistakes.output_missing(place, stack or "", name, outputs))
        try:
            return checked(str(outputs[name]))
        except Mistake as mistake:
            raise LookupFailure(mistakes.output_wrong(place, stack or "", name, mistake)) from None

    def _not_ready(self, cluster: str, status: str) -> LocatedMistake:
        """Return the mistake for an EKS cluster that lacks what an ACTIVE one has."""
        name, region = self._clusters[cluster].name or "", self._clusters[cluster].region
        place = (*self._place(cluster), "name")
        if status == mistakes.ACTIVE:
            return mistakes.cluster_without_issuer(place, name)
        return mistakes.cluster_not_active(place, name, status, region)

    def _asked(self, aws_account: str | None, region: str | None = None) -> AskedAwsAccount:
        return asked_aws_account(self._aws_accounts, aws_account, region)

    def _number(self, aws_account: str | None) -> str | None:
        """Return the ID of an AWS account that has answered another question; None where it cannot be read."""
        try:
            return self.identity(aws_account).account_id
        except LookupFailure:
            return None

    def _settings_of(self, aws_account: str | None) -> AwsAccount:
        return self._aws_accounts[aws_account] if aws_account else AwsAccount()

    def _options(self, aws_account: str | None) -> pulumi.InvokeOptions | None:
        """Return the options for a look-up in an AWS account."""
        provider = self.aws_provider(aws_account)
        return None if provider is None else pulumi.InvokeOptions(provider=provider)


def _failure(error: Exception) -> Failure:
    """Return why a look-up failed.

    Raises:
        pulumi.RunError: The engine stopped the program: its own message has the reason.
    """
    failure = failure_of(str(error))
    if failure.cause is Cause.STOPPED:
        raise pulumi.RunError("the look-ups had no answer: fix what the engine names, and run again") from None
    return failure


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


def _creating_command(cluster: Cluster, aws_account: str | None, issuer: str, audiences: Collection[str]) -> str:
    if cluster.name and aws_account == cluster.aws_account:
        return commands.associate_provider(cluster.name, issuer, audiences, cluster.region)
    return commands.create_provider(issuer, audiences)


def _checked_provider(text: str) -> str:
    return str(parse_iam_arn(text, "oidc-provider"))


def eks_kubeconfig(
    name: str, region: str, endpoint: str, certificate_authority: str, aws_account: AwsAccount
) -> dict[str, Any]:
    """Return the kubeconfig that `aws eks update-kubeconfig` writes, with the AWS account's role or profile.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html
    """
    command: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
        **({"env": [{"name": "AWS_PROFILE", "value": aws_account.profile}]} if aws_account.profile else {}),
    }
    if aws_account.assume_role_arn:
        command["args"] += ["--role-arn", aws_account.assume_role_arn]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority}}
        ],
        "users": [{"name": name, "user": {"exec": command}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
