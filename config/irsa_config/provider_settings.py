"""The settings of the stack's default providers, `aws:...` and `kubernetes:...`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from irsa.rules.mistakes import Mistake, kind_of, likely, listed
from irsa.rules.names import REGION, check_name
from irsa.rules.unknown import Unknown
from irsa_config.located_mistake import LocatedMistake
from irsa_config.scalars import parsed

PROVIDERS = ("aws", "kubernetes")
ACCOUNT_LISTS = ("allowedAccountIds", "forbiddenAccountIds")
# The settings of the pinned plugins, by the kind of their value. A test compares the names with the installed SDKs.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "aws": {
        "true or false": "insecure s3UsePathStyle skipCredentialsValidation skipMetadataApiCheck skipRegionValidation"
        " skipRequestingAccountId useDualstackEndpoint useFipsEndpoint",
        "an integer": "maxRetries tokenBucketRateLimiterCapacity",
        "a list": "allowedAccountIds assumeRoles endpoints forbiddenAccountIds sharedConfigFiles sharedCredentialsFiles"
        " userAgents",
        "a mapping": "assumeRoleWithWebIdentity defaultTags ignoreTags",
        "a string": "accessKey customCaBundle ec2MetadataServiceEndpoint ec2MetadataServiceEndpointMode httpProxy"
        " httpsProxy noProxy profile region retryMode s3UsEast1RegionalEndpoint secretKey stsRegion tagPolicyCompliance"
        " token",
    },
    "kubernetes": {
        "true or false": "alwaysRender deleteUnreachable enableConfigMapMutable enablePatchForce enableSecretMutable"
        " enableServerSideApply skipUpdateUnreachable suppressDeprecationWarnings suppressHelmHookWarnings"
        " upsertExistingObjects",
        "a mapping": "helmReleaseSettings kubeClientSettings",
        "a string": "cluster clusterIdentifier context kubeconfig namespace renderYamlToDirectory",
    },
}
KINDS = {
    f"{provider}:{name}": kind
    for provider, kinds in SETTINGS.items()
    for kind, names in kinds.items()
    for name in names.split()
}
# The engine turns each value into a string, in which the plugins read JSON. A kubeconfig can be JSON.
TYPES: Mapping[str, type] = {"true or false": bool, "an integer": int, "a list": list, "a mapping": dict}
# Which plugin the engine starts; any provider can have them.
OF_THE_ENGINE = ("version", "pluginDownloadURL")


def provider_mistakes(providers: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield what is wrong with names and values, and with the AWS accounts that AWS's provider accepts and refuses.

    011112222333 without quotes is another number: an AWS account that is to be refused never would be. Both lists at
    once are what the provider refuses, and calls a conflict.
    """
    yield from _wrong_settings(providers)
    try:
        region_in(providers)
    except Mistake as mistake:
        yield LocatedMistake(("aws:region",), mistake)
    written = {name: providers.get(name) for name in (f"aws:{each}" for each in ACCOUNT_LISTS)}
    lists = {name: parsed(each) if isinstance(each, str) else each for name, each in written.items()}
    for name, values in lists.items():
        if values is not None and not isinstance(values, list | Unknown):
            found = f"{kind_of(values)} as {name}"
            yield LocatedMistake((name,), Mistake(found, 'a list: ["111122223333"]', "write it as a list"))
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if not isinstance(value, Unknown) and not is_account_id(value):
                is_number = isinstance(value, int | float)
                fix = "put it in quotes, as it is in the file" if is_number else "write the AWS account ID"
                found = f"{kind_of(value)} in {name}"
                yield LocatedMistake((name, index), Mistake(found, "AWS account IDs: strings of 12 digits", fix))
    if all(lists.values()):
        first, second = lists
        fix = f"remove {second}: no AWS account is accepted that the other list does not have"
        yield LocatedMistake((second,), Mistake(f"{first} and {second}", "one of the two", fix))


def _wrong_settings(providers: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield the settings that no plugin has: it ignores them, and so takes kubectl's context, or any AWS account."""
    for name, value in providers.items():
        provider, _, setting = name.partition(":")
        if name not in KINDS and setting not in OF_THE_ENGINE:
            names = [each.partition(":")[2] for each in KINDS if each.startswith(f"{provider}:")]
            found = f"{name}, which the plugin {provider} does not have and ignores"
            near = likely(setting, names)
            fix = f"did you mean {provider}:{near}?" if near else "remove it"
            yield LocatedMistake((name,), Mistake(found, f"settings of {provider}: {listed(names)}", fix))
            continue
        wanted = KINDS.get(name, "")
        is_account_list = setting in ACCOUNT_LISTS
        if wanted not in TYPES or is_account_list or value is None or isinstance(value, Unknown):
            continue
        meant = parsed(value) if isinstance(value, str) else value
        if type(meant) is not TYPES[wanted]:
            yield LocatedMistake(
                (name,), Mistake(f"{kind_of(value)} as {name}", wanted, f"write {wanted}, or remove it")
            )


def is_account_id(value: object) -> bool:
    """Return whether a value is the ID of an AWS account."""
    return isinstance(value, str) and re.fullmatch("[0-9]{12}", value) is not None


def region_in(providers: Mapping[str, Any]) -> str | Unknown | None:
    """Return `aws:region`; None where it is missing or empty, `SECRET` where it is secret.

    The engine turns any value into a string, and the AWS provider refuses it later, without naming the key.

    Raises:
        Mistake: It is not a region.
    """
    value = providers.get("aws:region")
    if value is None or value == "" or isinstance(value, Unknown):
        return value or None
    if isinstance(value, str):
        return check_name(value, REGION)
    raise Mistake(f"{kind_of(value)} as aws:region", f"a string: {REGION.words}", "write the region's name")
