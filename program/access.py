"""Whether the stack reaches its AWS accounts and clusters: asked before there is a provider.

The AWS plugin checks the credentials too, but where AWS does not accept them, the engine ends the program and shows the
words of the plugin alone. The Kubernetes plugin misses a context only when it creates something.
"""

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
import yaml

from config.located_mistake import LocatedMistake
from config.models import AwsAccount, Cluster, Stack
from config.provider_settings import ACCOUNT_LISTS
from config.scalars import parsed
from irsa.rules.mistakes import Place
from program import lookup_mistakes as mistakes
from program.lookup_mistakes import AskedAwsAccount, Cause, Failure, Question, aws_mistake, failure_of
from program.lookups import needs_of

# The variables that the AWS plugin reads where the setting is missing, by precedence.
REGION_VARIABLES, PROFILE_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION"), ("AWS_PROFILE",)
# With any other setting of the default provider, boto3 would ask with other credentials, or by another way.
FOLLOWED = {"region", "profile", "allowedAccountIds", "forbiddenAccountIds", "defaultTags", "ignoreTags", "maxRetries"}
# What boto3 and the AWS plugin cannot differ in; anything else is left to the plugin.
CERTAIN = {
    Cause.REGION_MISSING,
    Cause.WRONG_AWS_ACCOUNT,
    Cause.NO_CREDENTIALS,
    Cause.EXPIRED,
    Cause.INVALID_CREDENTIALS,
    Cause.CLOCK,
    Cause.PROFILE_MISSING,
    Cause.ROLE_NOT_ASSUMABLE,
    Cause.NO_CONNECTION,
    Cause.NOT_TRUSTED,
}
OWN_BUNDLE = "AWS_CA_BUNDLE"
IN_CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"


class Access(NamedTuple):
    """What cannot be reached, as far as it is certain."""

    aws_accounts: Mapping[str | None, LocatedMistake] = {}
    """AWS accounts by their key, with the reason; None is the key of the stack's own."""
    clusters: Sequence[LocatedMistake] = ()
    """Why Kubernetes APIs cannot be reached."""


def access_of(stack: Stack, folder: Path) -> Access:
    """Return which AWS accounts and clusters of the bindings cannot be reached.

    Args:
        stack: The settings.
        folder: The folder of Pulumi.yaml, to which the paths of kubeconfigs are relative.
    """
    return Access(dict(_credential_mistakes(stack)), list(_kubeconfig_mistakes(stack, folder)))


# --- AWS -------------------------------------------------------------------------------------------------------------


def aws_settings() -> dict[str, Any]:
    """Return the settings of the running stack's default AWS provider that messages name."""
    config = pulumi.Config("aws")
    lists = {name: parsed(config.get(name) or "[]") for name in ACCOUNT_LISTS}
    return {"region": config.get("region"), "profile": config.get("profile"), **lists}


def asked_aws_account(
    aws_accounts: Mapping[str, AwsAccount],
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
    settings = aws_accounts[aws_account] if aws_account else AwsAccount()
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
    for aws_account in sorted(used_aws_accounts(stack), key=lambda key: key or ""):
        asked = asked_aws_account(stack.aws_accounts, aws_account, aws_settings())
        # The stack's own account may be reached in a way that boto3 does not follow.
        failure = _failure(asked) if aws_account or not _unfollowed() else None
        if failure and failure.cause in CERTAIN:
            question = Question(asked.place, "the identity", "sts:GetCallerIdentity", asked)
            yield aws_account, aws_mistake(failure, question)


def used_aws_accounts(stack: Stack) -> set[str | None]:
    """Return the AWS accounts whose provider is used: the stack's own where something is asked or created in it."""
    needs = needs_of(stack)
    used = {aws_account for aws_account, names in needs.variables.items() if aws_account or names}
    used |= {aws_account for _, aws_account in needs.audiences}
    asked = needs.kubernetes | {key for key, _ in needs.audiences}
    used |= {
        cluster.aws_account for key, cluster in stack.clusters_by_key.items() if key in asked and _by_name(cluster)
    }
    if any(aws_account and not stack.aws_accounts[aws_account].region for aws_account in used):
        used.add(None)
    return used


def _by_name(cluster: Cluster) -> bool:
    """Return whether EKS is asked about the cluster."""
    return bool(cluster.name) and (not cluster.oidc_issuer or bool(cluster.kubernetes and cluster.kubernetes.eks))


def _unfollowed() -> set[str]:
    """Return the settings of the default provider that boto3 does not follow."""
    keys = {key.removeprefix("aws:") for key in pulumi.runtime.config.CONFIG.get() if key.startswith("aws:")}
    return keys - FOLLOWED


def _failure(asked: AskedAwsAccount) -> Failure | None:
    """Return why AWS refuses the credentials, or the stack refuses their AWS account; None where neither does."""
    if not asked.region and not _region_of_profile(asked.profile):
        return Failure(Cause.REGION_MISSING, "", {})
    found = _identified(asked)
    authorities = ssl.get_default_verify_paths().cafile
    if isinstance(found, Failure) and found.cause is Cause.NOT_TRUSTED and authorities and OWN_BUNDLE not in os.environ:
        # The AWS plugin trusts the certificates of the system; boto3 has its own.
        os.environ[OWN_BUNDLE] = str(authorities)
        found = _identified(asked)
        del os.environ[OWN_BUNDLE]
    if isinstance(found, Failure):
        return found
    return Failure(Cause.WRONG_AWS_ACCOUNT, "", {"number": found}) if asked.refuses(found) else None


def _region_of_profile(profile: str | None) -> str | None:
    """Return the region that the AWS configuration files have for a profile; None where there is no such profile."""
    from irsa_cli.exits import CouldNotLookError  # noqa: PLC0415 (with boto3, it takes half a second to import)
    from irsa_cli.live.aws import session_of  # noqa: PLC0415

    try:
        region: str | None = session_of({"profile": profile}).region_name
    except CouldNotLookError:
        return None
    return region


def _identified(asked: AskedAwsAccount) -> str | Failure:
    """Return the ID of the AWS account that the credentials are of, or why there is none."""
    from irsa_cli.exits import CouldNotLookError  # noqa: PLC0415 (with boto3, it takes half a second to import)
    from irsa_cli.live.aws import number_of, session_of  # noqa: PLC0415

    roles = [{"roleArn": asked.role_arn}] if asked.role_arn else []
    try:
        return number_of(session_of({"profile": asked.profile, "region": asked.region, "assumeRoles": roles}))
    except CouldNotLookError as error:
        return failure_of(str(error))


def first_variable(names: Iterable[str]) -> str | None:
    """Return the value of the first environment variable that is set; None where none is."""
    return next(filter(None, map(os.environ.get, names)), None)


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def _kubeconfig_mistakes(stack: Stack, folder: Path) -> Iterator[LocatedMistake]:
    with_accounts = [binding for binding in stack.bindings.values() if binding.service_account]
    used = {key for binding in with_accounts for key in binding.clusters or stack.clusters_by_key}
    found = (
        _kubeconfig_mistake(stack.clusters_by_key[key], stack.place_of_cluster(key), folder) for key in sorted(used)
    )
    yield from filter(None, found)


def _kubeconfig_mistake(cluster: Cluster, place: Place, folder: Path) -> LocatedMistake | None:
    access, config = cluster.kubernetes, pulumi.Config("kubernetes")
    if access and not access.eks:
        files = [folder / Path(access.kubeconfig).expanduser()] if access.kubeconfig else []
        return kubeconfig_mistake((*place, "kubernetes"), files, access.context, os.environ)
    if access or config.get("kubeconfig") or config.get("cluster") or config.get("renderYamlToDirectory"):
        return None
    return kubeconfig_mistake((), [], config.get("context"), os.environ)


def kubeconfig_mistake(
    place: Place, files: Sequence[Path], context: str | None, variables: Mapping[str, str]
) -> LocatedMistake | None:
    """Return the mistake for a kubeconfig or a context that does not exist; None where both do.

    Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

    Args:
        place: The cluster's own setting `kubernetes`, or what has none: the provider's settings `kubernetes:` hold.
        files: The kubeconfig; none for that of the environment.
        context: The context. Default: the kubeconfig's current one.
        variables: The environment variables.
    """
    own = place[-1:] == ("kubernetes",)
    named = [Path(file) for file in variables.get("KUBECONFIG", "").split(os.pathsep) if file]
    listed = [*files] or named or [Path("~/.kube/config").expanduser()]
    contents = [_content(file) for file in listed if file.is_file()]
    if not contents:
        in_cluster = not files and not context and IN_CLUSTER_VARIABLE in variables
        where = (*place, "kubeconfig") if files and own else place
        return None if in_cluster else mistakes.kubeconfig_missing(where, [str(file) for file in listed])
    if None in contents:
        return None
    selected = context or next(filter(None, (content.get("current-context") for content in contents if content)), None)
    contexts = [entry.get("name") for content in contents if content for entry in content.get("contexts") or []]
    if selected is None or selected in contexts:
        return None
    return mistakes.context_missing((*place, "context") if context and own else place, selected, contexts)


def _content(file: Path) -> dict[str, Any] | None:
    """Return a kubeconfig; None where it cannot be read as one, which the Kubernetes plugin reports."""
    try:
        content = yaml.safe_load(file.read_text())
        entries = content.get("contexts") or []
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError):
        return None
    return content if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries) else None
