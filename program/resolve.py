"""Look-ups: AWS accounts, EKS clusters, other stacks' outputs and IAM OIDC providers, each asked for once.

They block, and each blocking call lets all tasks of the SDK have a turn; so they come before any binding's resources.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from config.located_mistake import LocatedMistake, Place
from config.models import AwsAccount, Cluster, Stack
from irsa.rules import commands
from irsa.rules.arns import check_issuer, issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake
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

# The engine's own look-up behind StackReference; unlike that, it gives plain values, so that a mistake is told at once.
READ_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"
KEY = ParamSpec("KEY")
ANSWER = TypeVar("ANSWER")


class LookupFailure(Exception):
    """A look-up that gave no answer to go on with."""

    def __init__(self, place: Place, found: str, allowed: str, fix: str) -> None:
        """Keep the setting that led to it, and what is to be said about it."""
        super().__init__(found)
        self.mistake = LocatedMistake(place, Mistake(found, allowed, fix))


def resolve(stack: Stack, folder: Path) -> Lookups:
    """Return all that the bindings need to have looked up, each of it looked up once.

    Args:
        stack: The settings.
        folder: The folder of Pulumi.yaml, to which the paths of kubeconfigs are relative.

    Raises:
        pulumi.RunError: All look-ups that failed. No provider of a cluster was created.
    """
    needs, clusters = needs_of(stack), stack.clusters_by_key
    ask = _Questions(stack, needs)
    with_region = any("region" in names for names in needs.variables.values())
    identified = [account for account, names in needs.variables.items() if names & {"account", "partition"}]
    created = [pair for pair in needs.audiences if clusters[pair[0]].create_oidc_provider]
    existing = [pair for pair in needs.audiences if pair not in created]
    by_eks = [key for key, cluster in clusters.items() if key in needs.kubernetes and _by_eks(cluster)]
    _ask_all(
        [
            *([ask.region] if with_region else ()),
            *(partial(ask.aws_provider, account) for account in needs.variables),
            *(partial(ask.identity, account) for account in identified),
            *(partial(ask.issuer, cluster) for cluster, _ in needs.audiences),
            *(partial(ask.oidc_provider, *pair) for pair in existing),
            *(partial(ask.eks_kubeconfig, cluster) for cluster in by_eks),
        ],
        folder,
    )
    # All is answered from here on, so that no provider is created for a stack that gets no further.
    every = sorted({audience_of(binding) for binding in stack.bindings.values()})
    providers: dict[tuple[str, str | None], str | pulumi.Output[str]] = {
        pair: ask.oidc_provider(*pair) for pair in existing
    }
    for cluster, account in created:
        provider = ask.aws_provider(account)
        providers[cluster, account] = _created_provider(cluster, account, ask.issuer(cluster), every, provider)
    kubeconfigs = {cluster: ask.eks_kubeconfig(cluster) for cluster in by_eks}
    return Lookups(
        region=ask.region() if with_region else None,
        accounts={
            account: ResolvedAwsAccount(
                ask.identity(account) if account in identified else None, ask.aws_provider(account)
            )
            for account in needs.variables
        },
        clusters={
            key: ResolvedCluster(
                cluster.name or "",
                _kubernetes_provider(key, cluster, kubeconfigs.get(key), folder) if key in needs.kubernetes else None,
            )
            for key, cluster in clusters.items()
        },
        oidc_providers=providers,
    )


def _ask_all(questions: Iterable[Callable[[], object]], folder: Path) -> None:
    """Ask every question.

    Raises:
        pulumi.RunError: All that failed, each once, however many questions it was in the way of.
    """
    failures: dict[int, LocatedMistake] = {}
    for question in questions:
        try:
            question()
        except LookupFailure as failure:
            failures[id(failure)] = failure.mistake
    if failures:
        heading = f"{len(failures)} look-up{'s' if len(failures) > 1 else ''} failed"
        raise pulumi.RunError("\n".join([heading, *(f"  {mistake}" for mistake in placed(failures.values(), folder))]))


def _once(
    question: Callable[Concatenate["_Questions", KEY], ANSWER],
) -> Callable[Concatenate["_Questions", KEY], ANSWER]:
    """Ask once: what was answered is known, and what failed fails again without being asked."""

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
    """What may be asked about accounts and clusters; the answers are kept."""

    def __init__(self, stack: Stack, needs: Needs) -> None:
        self.answers: dict[Any, Any] = {}
        self._accounts, self._clusters, self._audiences = stack.aws_accounts, stack.clusters_by_key, needs.audiences
        self._place: Callable[[str], Place] = stack.place_of_cluster

    @_once
    def region(self) -> str:
        """Region of the stack."""
        try:
            return aws.get_region().region
        except Exception as error:
            found = f"the region of the stack cannot be read: {_said(error)}"
            raise LookupFailure((), found, "an AWS region", "pulumi config set aws:region us-west-2") from None

    @_once
    def aws_provider(self, account: str | None) -> aws.Provider | None:
        """The provider of an AWS account; nothing is the stack's default one."""
        if account is None:
            return None
        settings = self._accounts[account]
        roles = [aws.ProviderAssumeRoleArgs(role_arn=settings.assume_role_arn)] if settings.assume_role_arn else None
        # The stack's own profile is not inherited; a role is assumed with the same credentials as the stack's.
        profile = settings.profile or pulumi.Config("aws").get("profile")
        return aws.Provider(account, region=settings.region or self.region(), profile=profile, assume_roles=roles)

    @_once
    def identity(self, account: str | None) -> Identity:
        """The 12 digits of an AWS account, and its partition."""
        options = self._options(account)
        try:
            account_id = aws.get_caller_identity(opts=options).account_id
            return Identity(account_id, aws.get_partition(opts=options).partition)
        except Exception as error:
            place: Place = ("accounts", account) if account else ()
            found = f"cannot read the AWS account: {_said(error)}"
            raise LookupFailure(place, found, "valid credentials", "check them: aws sts get-caller-identity") from None

    @_once
    def issuer(self, cluster: str) -> str:
        """The OIDC issuer of a cluster's service account tokens."""
        settings = self._clusters[cluster]
        if settings.oidc_issuer:
            return settings.oidc_issuer
        if settings.stack:
            return self._stack_output(cluster, "oidcIssuer", check_issuer)
        issuers = [oidc.issuer for identity in self.eks_cluster(cluster).identities for oidc in identity.oidcs]
        if not issuers:
            found = f"the EKS cluster {settings.name!r} has no OIDC issuer"
            raise LookupFailure(
                (*self._place(cluster), "name"), found, "a cluster that has one", "give its `oidcIssuer`"
            )
        return issuers[0]

    @_once
    def oidc_provider(self, cluster: str, account: str | None) -> str:
        """The ARN of the IAM OIDC provider that an account has for a cluster, and that admits all audiences in use."""
        settings, audiences = self._clusters[cluster], self._audiences[cluster, account]
        own = account == settings.aws_account
        if own and settings.oidc_provider_arn:
            arn = settings.oidc_provider_arn
        elif own and settings.stack:
            arn = self._stack_output(cluster, "oidcProviderArn", _checked_provider)
        else:
            identity = self.identity(account)
            arn = oidc_provider_arn(identity.partition, identity.account_id, self.issuer(cluster))
        issuer, place = self.issuer(cluster), self._place(cluster)
        parsed = parse_iam_arn(arn, "oidc-provider")
        if parsed.resource != issuer_host_path(issuer):
            found = f"the OIDC provider {arn} is not for the issuer {issuer}"
            allowed = f"the provider of that issuer: its ARN ends with {issuer_host_path(issuer)}"
            raise LookupFailure(place, found, allowed, "correct one of the two")
        options = self._options(account)
        try:
            admitted = aws.iam.get_open_id_connect_provider(arn=arn, opts=options).client_id_lists
        except Exception as error:
            if "couldn't find resource" not in str(error):
                found = f"cannot read the IAM OIDC provider {arn}: {_said(error)}"
                allowed = "credentials that may call iam:GetOpenIDConnectProvider"
                raise LookupFailure(place, found, allowed, "allow it to them") from None
            found = f"account {parsed.account} has no IAM OIDC provider for the issuer {issuer}"
            # The command ends with its line, so that it can be pasted.
            fix = "let this stack create it by createOidcProvider: true, or create it: "
            fix += _creating_command(settings, account, issuer, audiences)
            raise LookupFailure(place, found, "one, before the first role for the cluster", fix) from None
        missing = sorted(audiences - set(admitted))
        if missing:
            found = f"the OIDC provider {arn} does not admit the audience {', '.join(missing)}"
            fix = "add it: " + " && ".join(commands.add_client_id(arn, audience) for audience in missing)
            raise LookupFailure(place, f"{found}; it admits: {', '.join(admitted)}", "the bindings' audiences", fix)
        return arn

    @_once
    def eks_cluster(self, cluster: str) -> aws.eks.AwaitableGetClusterResult:
        """What EKS says about a cluster."""
        settings = self._clusters[cluster]
        options = self._options(settings.aws_account)
        try:
            return aws.eks.get_cluster(name=settings.name, region=settings.region, opts=options)
        except Exception as error:
            found = f"cannot read the EKS cluster {settings.name!r}: {_said(error)}"
            allowed = "a cluster of this account and region"
            fix = f"`{commands.list_clusters()}` shows them"
            raise LookupFailure((*self._place(cluster), "name"), found, allowed, fix) from None

    @_once
    def eks_kubeconfig(self, cluster: str) -> str:
        """The kubeconfig of a cluster that is reached as EKS says, in JSON."""
        settings, found = self._clusters[cluster], self.eks_cluster(cluster)
        if not found.certificate_authorities:
            said = f"the EKS cluster {settings.name!r} is {found.status}, not ready yet"
            fix = f"wait for it: aws eks wait cluster-active --name {settings.name}"
            raise LookupFailure((*self._place(cluster), "name"), said, "an ACTIVE cluster", fix)
        account = self._accounts[settings.aws_account] if settings.aws_account else AwsAccount()
        region = settings.region or account.region or self.region()
        authority = found.certificate_authorities[0].data
        return json.dumps(eks_kubeconfig(settings.name or "", region, found.endpoint, authority, account))

    @_once
    def stack_outputs(self, cluster: str) -> Mapping[str, Any]:
        """The outputs of the stack that a cluster names."""
        stack = self._clusters[cluster].stack
        try:
            answer: Any = pulumi.runtime.invoke(READ_STACK_OUTPUTS, {"name": stack})
        except Exception as error:
            found = f"cannot read the outputs of {stack}: {_said(error)}"
            fix = f"`{commands.list_stacks()}` shows them"
            raise LookupFailure((*self._place(cluster), "stack"), found, "a stack of this backend", fix) from None
        outputs: Mapping[str, Any] = answer.value["outputs"]
        return outputs

    def _stack_output(self, cluster: str, name: str, checked: Callable[[str], str]) -> str:
        """Give another stack's output, held against its rule: it was not known when the stack file was checked."""
        outputs, stack, place = (
            self.stack_outputs(cluster),
            self._clusters[cluster].stack,
            (*self._place(cluster), "stack"),
        )
        if name not in outputs:
            found = f"stack {stack} has no output {name!r}; it has: {', '.join(sorted(outputs)) or 'none'}"
            raise LookupFailure(place, found, "oidcIssuer and oidcProviderArn", "export it there")
        try:
            return checked(str(outputs[name]))
        except Mistake as mistake:
            found = f"the output {name!r} of {stack}: {mistake.found}"
            raise LookupFailure(place, found, mistake.allowed, "fix that stack's output") from None

    def _options(self, account: str | None) -> pulumi.InvokeOptions | None:
        """Give the options for a look-up in an account."""
        provider = self.aws_provider(account)
        return None if provider is None else pulumi.InvokeOptions(provider=provider)


def _said(error: Exception) -> str:
    """Give the cause that the engine named, on one line, without the functions that it went through."""
    return " ".join(str(error).split()).split(" returned an error: ", 1)[-1]


def _by_eks(cluster: Cluster) -> bool:
    return cluster.kubernetes is not None and cluster.kubernetes.eks


def _kubernetes_provider(
    key: str, cluster: Cluster, eks_kubeconfig: str | None, folder: Path
) -> kubernetes.Provider | None:
    """Create the provider for a cluster's Kubernetes API; nothing is the stack's default one."""
    access = cluster.kubernetes
    if access is None:
        return None
    if access.eks:
        return kubernetes.Provider(key, kubeconfig=eks_kubeconfig)
    kubeconfig = str(folder / Path(access.kubeconfig).expanduser()) if access.kubeconfig else None
    return kubernetes.Provider(key, kubeconfig=kubeconfig, context=access.context)


def _created_provider(
    cluster: str, account: str | None, issuer: str, audiences: Sequence[str], provider: aws.Provider | None
) -> pulumi.Output[str]:
    """Create an account's IAM OIDC provider for a cluster, and give its ARN."""
    return aws.iam.OpenIdConnectProvider(
        "-".join(part for part in (cluster, account) if part),
        url=issuer,
        client_id_lists=audiences,
        opts=pulumi.ResourceOptions(provider=provider),
    ).arn


def _creating_command(cluster: Cluster, account: str | None, issuer: str, audiences: Collection[str]) -> str:
    if cluster.name and account == cluster.aws_account:
        return commands.associate_provider(cluster.name, issuer, audiences, cluster.region)
    return commands.create_provider(issuer, audiences)


def _checked_provider(text: str) -> str:
    return str(parse_iam_arn(text, "oidc-provider"))


def eks_kubeconfig(
    name: str, region: str, endpoint: str, certificate_authority: str, account: AwsAccount
) -> dict[str, Any]:
    """Return the kubeconfig that `aws eks update-kubeconfig` writes, with the account's role or profile.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html
    """
    command: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
        **({"env": [{"name": "AWS_PROFILE", "value": account.profile}]} if account.profile else {}),
    }
    if account.assume_role_arn:
        command["args"] += ["--role-arn", account.assume_role_arn]
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
