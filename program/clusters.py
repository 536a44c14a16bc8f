"""The clusters of a stack file: their issuers, their IAM OIDC providers and the way to their Kubernetes API."""

import functools
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from config.models import Account, Cluster, Stack
from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.trust import DEFAULT_AUDIENCE
from program.accounts import Accounts

# The engine's own look-up behind StackReference; unlike that, it gives plain values, so that a mistake is told at once.
READ_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"


class ResolvedCluster:
    """One cluster, looked up as far as its bindings need it."""

    def __init__(self, place: str, label: str, cluster: Cluster, accounts: Accounts, folder: Path) -> None:
        """Take a cluster's settings; `place` is its YAML path, `label` starts the names of what is made for it."""
        self._place, self._label, self._cluster = place, label, cluster
        self._accounts, self._folder = accounts, folder

    @property
    def name(self) -> str:
        """Name of the EKS cluster, or nothing when it is not known."""
        return self._cluster.name or ""

    @property
    def creates_provider(self) -> bool:
        """Whether this stack creates the cluster's IAM OIDC providers."""
        return self._cluster.create_oidc_provider

    @functools.cached_property
    def issuer(self) -> str:
        """The OIDC issuer of the cluster's service account tokens."""
        if self._cluster.oidc_issuer:
            return self._cluster.oidc_issuer
        if self._cluster.stack:
            return self._stack_output("oidcIssuer", _checked_issuer)
        issuers = [oidc.issuer for identity in self._eks.identities for oidc in identity.oidcs]
        if not issuers:
            raise pulumi.RunError(f"{self._place}.name: the EKS cluster {self.name!r} has no OIDC issuer")
        return issuers[0]

    def provider_arn(self, account: str | None, audiences: Collection[str]) -> pulumi.Input[str]:
        """Give the ARN of the account's IAM OIDC provider for this cluster, which exists or is created.

        Raises:
            pulumi.RunError: There is none, or it does not admit one of the audiences.
        """
        if self._cluster.create_oidc_provider:
            return self._created_provider(account, tuple(sorted(audiences))).arn
        own = account == self._cluster.account
        if own and self._cluster.oidc_provider_arn:
            arn = self._cluster.oidc_provider_arn
        elif own and self._cluster.stack:
            arn = self._stack_output("oidcProviderArn", _checked_provider)
        else:
            arn = oidc_provider_arn(self._accounts.partition(account), self._accounts.account_id(account), self.issuer)
        self._require_provider(arn, account, audiences)
        return arn

    @functools.cached_property
    def kubernetes_provider(self) -> kubernetes.Provider | None:
        """The provider for the cluster's Kubernetes API; None is the stack's default one."""
        access = self._cluster.kubernetes
        if access is None:
            return None
        if access.eks:
            return kubernetes.Provider(self._label, kubeconfig=json.dumps(self._eks_kubeconfig()))
        kubeconfig = str(self._folder / Path(access.kubeconfig).expanduser()) if access.kubeconfig else None
        return kubernetes.Provider(self._label, kubeconfig=kubeconfig, context=access.context)

    @functools.cached_property
    def _eks(self) -> aws.eks.AwaitableGetClusterResult:
        options = self._accounts.invoke_options(self._cluster.account)
        try:
            return aws.eks.get_cluster(name=self.name, region=self._cluster.region, opts=options)
        except Exception as error:
            raise pulumi.RunError(
                f"{self._place}.name: cannot read the EKS cluster {self.name!r}: {error}\n"
                "  `aws eks list-clusters` shows the clusters of this account and region"
            ) from None

    def _eks_kubeconfig(self) -> dict[str, Any]:
        cluster, account = self._eks, self._accounts.settings(self._cluster.account)
        if not cluster.certificate_authorities:
            raise pulumi.RunError(
                f"{self._place}.name: the EKS cluster {self.name!r} is {cluster.status}, not ready yet"
            )
        region = self._cluster.region or account.region or self._accounts.region
        authority = cluster.certificate_authorities[0].data
        return eks_kubeconfig(self.name, region, cluster.endpoint, authority, account)

    @functools.cache  # noqa: B019 (one object, as long as the program runs)
    def _created_provider(self, account: str | None, audiences: tuple[str, ...]) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            "-".join(part for part in (self._label, account) if part),
            url=self.issuer,
            client_id_lists=list(audiences),
            opts=pulumi.ResourceOptions(provider=self._accounts.provider(account)),
        )

    def _stack_output(self, name: str, checked: Callable[[str], str]) -> str:
        """Give another stack's output, held against its rule: it was not known when the stack file was checked."""
        outputs = self._stack_outputs
        if name not in outputs:
            raise pulumi.RunError(
                f"{self._place}.stack: stack {self._cluster.stack} has no output {name!r}\n"
                f"  it has: {', '.join(sorted(outputs)) or 'none'}"
            )
        try:
            return checked(str(outputs[name]))
        except Mistake as mistake:
            raise pulumi.RunError(
                f"{self._place}.stack: the output {name!r} of {self._cluster.stack} is {mistake.found}\n"
                f"  allowed: {mistake.allowed}\n  do: mend that stack's output"
            ) from None

    @functools.cached_property
    def _stack_outputs(self) -> Mapping[str, Any]:
        try:
            answer: Any = pulumi.runtime.invoke(READ_STACK_OUTPUTS, {"name": self._cluster.stack})
        except Exception as error:
            raise pulumi.RunError(
                f"{self._place}.stack: cannot read the outputs of {self._cluster.stack}: {error}\n"
                "  `pulumi stack ls --all` shows the stacks of this backend"
            ) from None
        outputs: Mapping[str, Any] = answer.value["outputs"]
        return outputs

    def _require_provider(self, arn: str, account: str | None, audiences: Collection[str]) -> None:
        parsed = parse_iam_arn(arn, "oidc-provider")
        if parsed.resource != issuer_host_path(self.issuer):
            raise pulumi.RunError(f"{self._place}: the OIDC provider {arn} is not for the issuer {self.issuer}")
        try:
            provider = aws.iam.get_open_id_connect_provider(arn=arn, opts=self._accounts.invoke_options(account))
        except Exception as error:
            if "couldn't find resource" not in str(error):
                raise pulumi.RunError(f"{self._place}: cannot read the IAM OIDC provider {arn}: {error}") from None
            raise pulumi.RunError(
                f"{self._place}: account {parsed.account} has no IAM OIDC provider for the issuer {self.issuer}\n"
                f"  create it: {self._creating_command(account, audiences)}\n"
                "  or let this stack create it: createOidcProvider: true"
            ) from None
        missing = sorted(set(audiences) - set(provider.client_id_lists))
        if missing:
            raise pulumi.RunError(
                f"{self._place}: the OIDC provider {arn} does not admit the audience {', '.join(missing)}\n"
                f"  it admits: {', '.join(provider.client_id_lists)}\n"
                "  add it: aws iam add-client-id-to-open-id-connect-provider"
                f" --open-id-connect-provider-arn {arn} --client-id {missing[0]}"
            )

    def _creating_command(self, account: str | None, audiences: Collection[str]) -> str:
        if self.name and account == self._cluster.account and set(audiences) == {DEFAULT_AUDIENCE}:
            region = f" --region {self._cluster.region}" if self._cluster.region else ""
            return f"eksctl utils associate-iam-oidc-provider --cluster {self.name} --approve{region}"
        client_ids = " ".join(sorted(audiences))
        return f"aws iam create-open-id-connect-provider --url {self.issuer} --client-id-list {client_ids}"


def _checked_issuer(text: str) -> str:
    if not text.startswith("https://"):
        raise Mistake(f"{text!r}, not an issuer", "an https URL", "give the cluster's issuer")
    return text


def _checked_provider(text: str) -> str:
    return str(parse_iam_arn(text, "oidc-provider"))


def resolve_clusters(settings: Stack, accounts: Accounts, folder: Path) -> dict[str, ResolvedCluster]:
    """Give the clusters by their key; the only one of `irsa:cluster` has the key of nothing."""
    if settings.cluster:
        return {"": ResolvedCluster("irsa:cluster", "cluster", settings.cluster, accounts, folder)}
    return {
        key: ResolvedCluster(f"irsa:clusters.{key}", key, cluster, accounts, folder)
        for key, cluster in settings.clusters.items()
    }


def eks_kubeconfig(
    name: str, region: str, endpoint: str, certificate_authority: str, account: Account
) -> dict[str, Any]:
    """Give the kubeconfig that `aws eks update-kubeconfig` writes, with the account's role or profile.

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
