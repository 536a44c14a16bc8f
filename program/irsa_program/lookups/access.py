"""Whether the stack reaches its AWS accounts and clusters: asked before there is a provider.

The AWS plugin checks the credentials too, but for each cause in CERTAIN the engine ends the program, and shows the
plugin's words alone, without the AWS account and what to do. One comes back to the program: an AWS account that the
stack refuses, if something is looked up in it. The Kubernetes plugin misses a context only when it creates something.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pulumi

from irsa.rules import commands
from irsa.rules.mistakes import Place
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import ClusterKeys
from irsa_config.provider_settings import ACCOUNT_LISTS
from irsa_config.scalars import parsed
from irsa_config.stack import Stack
from irsa_program.lookups import live_rules
from irsa_program.lookups.failures import OF_ACCOUNT, asked_aws_account
from irsa_program.lookups.questions import LookupFailure, Questions
from irsa_program.lookups.values import Needs
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.state.resource import known_text

# With any other setting of the default provider, boto3 would ask with other credentials, or by another way.
FOLLOWED = {"region", "profile", "allowedAccountIds", "forbiddenAccountIds", "defaultTags", "ignoreTags", "maxRetries"}
# What boto3 and the AWS plugin cannot differ in, the same for every question; anything else is left to the plugin.
CERTAIN = OF_ACCOUNT.keys() - {Cause.THROTTLED}
IN_CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"


class Access(NamedTuple):
    """What cannot be reached, as far as it is certain."""

    aws_accounts: Mapping[str | None, LocatedMistake] = {}
    """AWS accounts by their key, with the reason; None is the key of the stack's own."""
    clusters: Sequence[LocatedMistake] = ()
    """Why Kubernetes APIs cannot be reached."""


def access_of(stack: Stack, needs: Needs, folder: Path) -> Access:
    """Return which of the AWS accounts and clusters that are needed cannot be reached."""
    return Access(dict(_credential_mistakes(stack, needs, folder)), list(_kubeconfig_mistakes(stack, needs, folder)))


def aws_settings() -> dict[str, Any]:
    """Return the settings of the running stack's default AWS provider that messages name."""
    config = pulumi.Config("aws")
    lists = {name: parsed(config.get(name) or "[]") for name in ACCOUNT_LISTS}
    return {"region": config.get("region"), "profile": config.get("profile"), **lists}


def _credential_mistakes(stack: Stack, needs: Needs, folder: Path) -> Iterator[tuple[str | None, LocatedMistake]]:
    # With boto3, it takes a tenth of a second to import.
    from irsa_program.lookups.cloud import LiveCloud  # noqa: PLC0415

    settings = aws_settings()
    given = {key.removeprefix("aws:") for key in pulumi.runtime.config.CONFIG.get() if key.startswith("aws:")}
    # The stack's own account may be reached in a way that boto3 does not follow.
    keys = [key for key in sorted(used_aws_accounts(stack, needs), key=str) if key or given <= FOLLOWED]
    ask = Questions(stack, needs, LiveCloud(stack, settings, folder), settings)

    def failure(aws_account: str | None) -> LookupFailure | None:
        try:
            ask.identity(aws_account)
        except LookupFailure as failure:
            return failure
        return None

    with ThreadPoolExecutor() as pool:
        # The first one loads boto3's models for the others: together, each would load them.
        failures = [*map(failure, keys[:1]), *pool.map(failure, keys[1:])]
    yield from ((key, each.mistake) for key, each in zip(keys, failures, strict=True) if each and each.cause in CERTAIN)


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


def _kubeconfig_mistakes(stack: Stack, needs: Needs, folder: Path) -> Iterator[LocatedMistake]:
    config = pulumi.Config("kubernetes")
    settings = {name: config.get(name) for name in ("kubeconfig", "context")}
    for key in sorted(needs.kubernetes):
        cluster, place = stack.clusters_by_key[key], (*stack.place_of_cluster(key), "kubernetes")
        kubernetes = cluster.kubernetes
        if not (kubernetes.eks if kubernetes else config.get("cluster") or config.get("renderYamlToDirectory")):
            inputs = kubernetes_inputs(cluster, settings, folder)
            at = asked_aws_account(stack.aws_accounts, cluster.aws_account, aws_settings(), cluster.region).options
            if mistake := kubeconfig_mistake(
                place if kubernetes else (), inputs, command_to_write(at, cluster, inputs)
            ):
                yield mistake


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
