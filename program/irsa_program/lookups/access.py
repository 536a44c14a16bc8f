"""Whether the stack reaches its AWS accounts and clusters: asked before there is a provider.

The AWS plugin checks the credentials too, but for each cause in CERTAIN the engine ends the program, and shows the
plugin's words alone, without the AWS account and what to do. One comes back to the program: an AWS account that the
stack refuses, if something is looked up in it. The Kubernetes plugin misses a context only when it creates something.
"""

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pulumi

from irsa.rules import commands
from irsa.rules.mistakes import Place
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import AwsAccountKeys, ClusterKeys
from irsa_config.provider_settings import ACCOUNT_LISTS
from irsa_config.scalars import parsed
from irsa_config.stack import Stack
from irsa_program.lookups import live_rules
from irsa_program.lookups.failures import OF_ACCOUNT, AskedAwsAccount, Question, aws_mistake
from irsa_program.lookups.values import Needs, needs_of
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.state.resource import known_text

if TYPE_CHECKING:
    from irsa_world.live.aws import Caller

# The variables that the AWS plugin reads where the setting is missing, by precedence.
REGION_VARIABLES, PROFILE_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION"), ("AWS_PROFILE",)
# With any other setting of the default provider, boto3 would ask with other credentials, or by another way.
FOLLOWED = {"region", "profile", "allowedAccountIds", "forbiddenAccountIds", "defaultTags", "ignoreTags", "maxRetries"}
# What boto3 and the AWS plugin cannot differ in, the same for every question; anything else is left to the plugin.
CERTAIN = OF_ACCOUNT.keys() - {Cause.THROTTLED}
OWN_BUNDLE = "AWS_CA_BUNDLE"
IN_CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"


class Access(NamedTuple):
    """What cannot be reached, as far as it is certain."""

    aws_accounts: Mapping[str | None, LocatedMistake] = {}
    """AWS accounts by their key, with the reason; None is the key of the stack's own."""
    clusters: Sequence[LocatedMistake] = ()
    """Why Kubernetes APIs cannot be reached."""


def access_of(stack: Stack, folder: Path) -> Access:
    """Return which AWS accounts and clusters of the bindings cannot be reached."""
    return Access(dict(_credential_mistakes(stack)), list(_kubeconfig_mistakes(stack, folder)))


def aws_settings() -> dict[str, Any]:
    """Return the settings of the running stack's default AWS provider that messages name."""
    config = pulumi.Config("aws")
    lists = {name: parsed(config.get(name) or "[]") for name in ACCOUNT_LISTS}
    return {"region": config.get("region"), "profile": config.get("profile"), **lists}


def asked_aws_account(
    aws_accounts: Mapping[str, AwsAccountKeys],
    aws_account: str | None,
    config: Mapping[str, Any],
    region: str | None = None,
) -> AskedAwsAccount:
    """Return how messages name an AWS account, by its key, and a region of it; nothing is asked.

    Args:
        aws_accounts: The settings of AWS accounts, by key.
        aws_account: Key of the AWS account; None for the stack's own.
        config: The settings of the default AWS provider, by their names without `aws:`.
        region: The region that is asked. Default: that of the AWS account.
    """
    settings = aws_accounts[aws_account] if aws_account else AwsAccountKeys()
    allowed, forbidden = ([] if aws_account else config.get(name) or [] for name in ACCOUNT_LISTS)
    return AskedAwsAccount(
        ("accounts", aws_account) if aws_account else (),
        region=region or settings.region or config.get("region") or first_variable(REGION_VARIABLES),
        profile=settings.profile or config.get("profile") or first_variable(PROFILE_VARIABLES),
        role_arn=settings.assume_role_arn,
        allowed=allowed,
        forbidden=forbidden,
    )


def _credential_mistakes(stack: Stack) -> Iterator[tuple[str | None, LocatedMistake]]:
    settings = aws_settings()
    given = {key.removeprefix("aws:") for key in pulumi.runtime.config.CONFIG.get() if key.startswith("aws:")}
    # The stack's own account may be reached in a way that boto3 does not follow.
    keys = [key for key in sorted(used_aws_accounts(stack, needs_of(stack)), key=str) if key or given <= FOLLOWED]
    asked = [asked_aws_account(stack.aws_accounts, key, settings) for key in keys]
    with ThreadPoolExecutor() as pool:
        # The first one loads boto3 and its models for the others: together, each would load them.
        refusals = [*map(_refusal, asked[:1]), *pool.map(_refusal, asked[1:])]
    for key, aws_account, refusal in zip(keys, asked, refusals, strict=True):
        if refusal and refusal.cause in CERTAIN:
            question = Question(aws_account.place, "the identity", "sts:GetCallerIdentity", aws_account)
            yield key, aws_mistake(refusal, question)


def used_aws_accounts(stack: Stack, needs: Needs) -> set[str | None]:
    """Return the AWS accounts whose provider is used: the stack's own where something is asked or created in it."""
    used = {aws_account for aws_account, names in needs.variables.items() if aws_account or names}
    used |= {aws_account for _, aws_account in needs.audiences} | needs.account_ids
    asked = needs.kubernetes | {key for key, _ in needs.audiences}
    used |= {
        cluster.aws_account
        for key, cluster in stack.clusters_by_key.items()
        if key in needs.cluster_arns or (key in asked and _by_name(cluster))
    }
    if any(aws_account and not stack.aws_accounts[aws_account].region for aws_account in used):
        used.add(None)
    return used


def _by_name(cluster: ClusterKeys) -> bool:
    """Return whether EKS is asked about the cluster."""
    return bool(cluster.name) and (not cluster.oidc_issuer or bool(cluster.kubernetes and cluster.kubernetes.eks))


def _refusal(asked: AskedAwsAccount) -> CouldNotLookError | None:
    try:
        reached(asked, asked.inputs)
    except CouldNotLookError as error:
        return error
    return None


def reached(asked: AskedAwsAccount, inputs: Mapping[str, Any]) -> "tuple[Any, Caller]":
    """Return a boto3 session like that of an AWS provider of these inputs, and whose credentials it has.

    Raises:
        CouldNotLookError: AWS refuses the credentials, or the stack refuses their AWS account.
    """
    # With boto3, it takes a tenth of a second to import.
    from irsa_world.live.aws import caller, session_of  # noqa: PLC0415

    authorities = ssl.get_default_verify_paths().cafile
    try:
        session = session_of(inputs)
        found = caller(session)
    except CouldNotLookError as error:
        if error.cause is not Cause.NOT_TRUSTED or not authorities or OWN_BUNDLE in os.environ:
            raise
        # The AWS plugin trusts the certificates of the system; boto3 has its own.
        session = session_of({"customCaBundle": authorities, **inputs})
        found = caller(session)
    if not session.region_name:
        raise CouldNotLookError("no region", Cause.REGION_MISSING)
    if asked.refuses(found.account_id):
        raise CouldNotLookError("not allowed", Cause.WRONG_AWS_ACCOUNT, found.account_id)
    return session, found


def first_variable(names: Iterable[str]) -> str | None:
    """Return the value of the first environment variable that is set; None where none is."""
    return next(filter(None, map(os.environ.get, names)), None)


def _kubeconfig_mistakes(stack: Stack, folder: Path) -> Iterator[LocatedMistake]:
    config = pulumi.Config("kubernetes")
    settings = {name: config.get(name) for name in ("kubeconfig", "context")}
    for key in sorted(clusters_with_service_accounts(stack)):
        cluster, place = stack.clusters_by_key[key], (*stack.place_of_cluster(key), "kubernetes")
        kubernetes = cluster.kubernetes
        if not (kubernetes.eks if kubernetes else config.get("cluster") or config.get("renderYamlToDirectory")):
            inputs = kubernetes_inputs(cluster, settings, folder)
            at = asked_aws_account(stack.aws_accounts, cluster.aws_account, aws_settings(), cluster.region).options
            if mistake := kubeconfig_mistake(
                place if kubernetes else (), inputs, command_to_write(at, cluster, inputs)
            ):
                yield mistake


def clusters_with_service_accounts(stack: Stack) -> set[str]:
    """Return the clusters in which something is created: a stack of roles alone needs no Kubernetes API."""
    bindings = [binding for binding in stack.bindings.values() if binding.keys.service_account]
    return {key for binding in bindings for key in stack.clusters_of(binding)}


def kubernetes_inputs(cluster: ClusterKeys, settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the inputs of a cluster's Kubernetes provider: its own settings, else those of the stack's `kubernetes:`.

    Args:
        cluster: The cluster, without `eks: true`.
        settings: The settings of the stack's default provider, by their names without `kubernetes:`.
        folder: The folder of Pulumi.yaml, to which the paths of kubeconfigs are relative.
    """
    kubernetes = cluster.kubernetes
    written = {"kubeconfig": kubernetes.kubeconfig, "context": kubernetes.context} if kubernetes else settings
    inputs: dict[str, Any] = {**written}
    if _is_path(inputs.get("kubeconfig")):
        inputs["kubeconfig"] = str(folder / os.path.expanduser(inputs["kubeconfig"]))  # noqa: PTH111 (Path.expanduser raises)
    return inputs


def _is_path(kubeconfig: Any) -> bool:
    """Return whether a provider's kubeconfig is the path of one, and not its content, or a secret."""
    return isinstance(kubeconfig, str) and kubeconfig != "" and "\n" not in kubeconfig and kubeconfig[0] != "{"


def command_to_write(at: commands.AwsPlace, cluster: ClusterKeys, inputs: Mapping[str, Any]) -> str:
    """Return the command that writes the context of a cluster, in the AWS account and region of these options."""
    kubeconfig = inputs.get("kubeconfig")
    path = known_text(kubeconfig) if _is_path(kubeconfig) else ""
    return commands.update_kubeconfig(at, cluster.name, known_text(inputs.get("context")), path)


def kubeconfig_mistake(place: Place, inputs: Mapping[str, Any], write: str) -> LocatedMistake | None:
    """Return the mistake for a kubeconfig or a context that does not exist; None where both do, or irsa can't tell.

    Args:
        place: The cluster's own setting `kubernetes`, or what has none: the provider's settings `kubernetes:` hold.
        inputs: The inputs of the Kubernetes provider. Default: the kubeconfig of the environment, its current context.
        write: The command that writes them.
    """
    # With lightkube, it takes time to import.
    from irsa_world.live.kubeconfig import NoContextError, NoKubeconfigError, configuration  # noqa: PLC0415

    if not (inputs.get("context") or inputs.get("kubeconfig")) and IN_CLUSTER_VARIABLE in os.environ:
        # The plugin falls back to the service account of its Pod.
        return None
    kubeconfig = inputs.get("kubeconfig") if _is_path(inputs.get("kubeconfig")) else None
    try:
        configuration(inputs)
    except NoKubeconfigError as error:
        setting = "kubeconfig"
        found, allowed, fix = str(error), "an existing kubeconfig", f"correct the path, or write it: {write}"
    except NoContextError as error:
        setting = "context"
        found, allowed = str(error), "a context of the kubeconfig"
        fix = f"write one of `{commands.list_contexts(kubeconfig)}` as the context, or add it: {write}"
    except CouldNotLookError:
        # What the plugin reads otherwise than irsa, it reports itself.
        return None
    else:
        return None
    where = kubernetes_setting(place, setting) if inputs.get(setting) else place
    return live_rules.finding(live_rules.CONTEXT_MISSING, where, found, allowed, fix)


def kubernetes_setting(place: Place, name: str) -> Place:
    """Return the place of a setting of the cluster's own `kubernetes`, or of the provider's settings `kubernetes:`."""
    return (*place, name) if place[-1:] == ("kubernetes",) else (f"kubernetes:{name}",)
