"""The provider's configuration, and the clients that speak to AWS with it."""

import difflib
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProfileNotFound,
)
from botocore.handlers import json_decode_policies

from sandbox.plugins.serving import ProviderError

STRING_KEYS = {
    "accessKey",
    "customCaBundle",
    "ec2MetadataServiceEndpoint",
    "ec2MetadataServiceEndpointMode",
    "httpProxy",
    "httpsProxy",
    "noProxy",
    "profile",
    "region",
    "retryMode",
    "s3UsEast1RegionalEndpoint",
    "secretKey",
    "stsRegion",
    "tagPolicyCompliance",
    "token",
}
# The engine passes these as JSON text.
JSON_KEYS = {
    "allowedAccountIds",
    "assumeRoleWithWebIdentity",
    "assumeRoles",
    "defaultTags",
    "endpoints",
    "forbiddenAccountIds",
    "ignoreTags",
    "insecure",
    "maxRetries",
    "s3UsePathStyle",
    "sharedConfigFiles",
    "sharedCredentialsFiles",
    "skipCredentialsValidation",
    "skipMetadataApiCheck",
    "skipRegionValidation",
    "skipRequestingAccountId",
    "tokenBucketRateLimiterCapacity",
    "useDualstackEndpoint",
    "useFipsEndpoint",
    "userAgents",
}
# The engine passes these to every provider.
ENGINE_KEYS = {"version", "pluginDownloadURL", "parameterization"}
DNS_SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
    "aws-eusc": "amazonaws.eu",
}
_CONNECTIONS = 64
# As the official plugin, which takes 0 for no value, and gives up sooner where nothing listens.
_ATTEMPTS, _CONNECTION_ATTEMPTS = 25, 6
_DURATION = re.compile(r"(\d+)(h|m|s)")
_SECONDS = {"h": 3600, "m": 60, "s": 1}


def configuration_mistakes(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the provider's arguments, without calling anything."""
    wrong = []
    known = STRING_KEYS | JSON_KEYS
    for key, value in values.items():
        if key.startswith("__") or key in ENGINE_KEYS:
            continue
        if key == "assumeRole":
            wrong.append("invalid config key 'aws:assumeRole', should be 'aws:assumeRoles'")
        elif key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.8)
            wrong.append(
                f"`aws:{key}` is not a valid configuration key for the aws provider. "
                + (f"Did you mean `aws:{near[0]}`? " if near else "")
                + "If the key is not intended for the provider, please choose a different namespace from `aws:`."
            )
        elif key == "assumeRoles" and isinstance(value, str) and not isinstance(decoded(key, value), list):
            wrong.append(f"expected aws:assumeRoles to be an array, got {value}")
    return wrong


def decoded(key: str, value: Any) -> Any:
    """Return a configuration value, parsed where the engine passes JSON text."""
    if key not in JSON_KEYS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def error_text(error: Exception, client: Any) -> str:
    """Return the error in the words of the AWS SDK for Go, which the official plugin uses."""
    if not isinstance(error, ClientError):
        return str(error)
    code = error.response["Error"].get("Code", "")
    message = error.response["Error"].get("Message", "")
    metadata = error.response.get("ResponseMetadata", {})
    service_model = client.meta.service_model
    # Only the operation's own errors have types.
    shapes = service_model.operation_model(error.operation_name).error_shapes
    modelled = code in {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes}
    return (
        f"operation error {service_model.service_id}: {error.operation_name}, https response error StatusCode: "
        f"{metadata.get('HTTPStatusCode')}, RequestID: {metadata.get('RequestId', '')}, "
        f"{'' if modelled else 'api error '}{code}: {message}"
    )


def error_code(error: ClientError) -> str:
    """Return the API's code of an error."""
    return str(error.response["Error"].get("Code", ""))


@dataclass
class Connection:
    """A provider's clients: one per service and region, created at first use."""

    session: boto3.Session
    settings: Mapping[str, Any]
    default_tags: Mapping[str, str] = field(default_factory=dict)
    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def region(self) -> str:
        """The provider's region."""
        return str(self.session.region_name)

    @property
    def partition(self) -> str:
        """The partition that the region belongs to."""
        return str(self.session.get_partition_for_region(self.region))

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the service's client, safe to use from many threads."""
        with self._lock:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._new_client(service, region)
            return self._clients[key]

    def _new_client(self, service: str, region: str | None) -> Any:
        settings = self.settings
        proxies = {
            scheme: settings[key] for scheme, key in (("http", "httpProxy"), ("https", "httpsProxy")) if key in settings
        }
        config = Config(
            max_pool_connections=_CONNECTIONS,
            retries={
                "mode": settings.get("retryMode", "standard"),
                "total_max_attempts": int(settings.get("maxRetries") or _ATTEMPTS),
            },
            use_fips_endpoint=settings.get("useFipsEndpoint") or None,
            use_dualstack_endpoint=settings.get("useDualstackEndpoint") or None,
            proxies=proxies or None,
            s3={"addressing_style": "path"} if settings.get("s3UsePathStyle") else None,
        )
        endpoints = {name: url for group in settings.get("endpoints", []) for name, url in group.items() if url}
        client = cast("Any", self.session.client)(
            service,
            region_name=region or (settings.get("stsRegion") if service == "sts" else None),
            endpoint_url=endpoints.get(service),
            verify=False if settings.get("insecure") else settings.get("customCaBundle"),
            config=config,
        )
        client.meta.events.register_first("needs-retry", _give_up_without_connection)
        # A document's text as it is stored matters, and botocore would parse it.
        client.meta.events.unregister("after-call.iam", json_decode_policies)
        return client

    def tags_all(self, tags: Mapping[str, Any]) -> dict[str, Any]:
        """Return the provider's default tags and the resource's tags, which win."""
        return self.without_ignored_tags({**self.default_tags, **tags})

    def without_ignored_tags(self, tags: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tags without those that the provider ignores."""
        ignored = self.settings.get("ignoreTags") or {}
        keys, prefixes = ignored.get("keys") or [], tuple(ignored.get("keyPrefixes") or [])
        return {key: value for key, value in tags.items() if key not in keys and not key.startswith(prefixes)}


def _give_up_without_connection(attempts: int, caught_exception: Exception | None, **_: Any) -> None:
    if isinstance(caught_exception, EndpointConnectionError | HTTPClientError) and attempts >= _CONNECTION_ATTEMPTS:
        raise caught_exception


# The beginnings of the official plugin's texts: https://github.com/pulumi/pulumi-aws/tree/master/provider/errors
_GUIDE = "https://www.pulumi.com/registry/packages/aws/installation-configuration/"
NO_REGION = (
    "Missing region information\nMake sure you have set your AWS region, e.g. `pulumi config set aws:region us-west-2`."
)
NO_CREDENTIALS = (
    f"No valid credential sources found.\nPlease see {_GUIDE} for more information about providing credentials."
)
INVALID_CREDENTIALS = (
    "The configured AWS credentials are invalid or have expired.\n"
    f"Please see {_GUIDE} for more information about providing credentials."
)


def credentials_failure(values: Mapping[str, Any]) -> str | None:
    """Return why AWS does not accept the credentials, in the words of the official plugin's check before all else.

    Source: https://github.com/pulumi/pulumi-aws/blob/master/provider/config.go (validateCredentials)
    """
    settings = _settings(values)
    if settings.get("skipCredentialsValidation") or os.environ.get("AWS_SKIP_CREDENTIALS_VALIDATION") == "true":
        return None
    try:
        _identify(_connection(settings))
    except ProviderError as error:
        text = str(error)
        if text in (NO_REGION, NO_CREDENTIALS):
            return text
        if "The security token included in the request is invalid" in text:
            return INVALID_CREDENTIALS
        return f"unable to validate AWS credentials.\nDetails: {text}\n"
    return None


def connect(values: Mapping[str, Any]) -> Connection:
    """Return a connection for the provider's arguments.

    Raises:
        ProviderError: There are no credentials, or they are of an AWS account that is not allowed.
    """
    settings = _settings(values)
    connection = _connection(settings)
    allowed, forbidden = settings.get("allowedAccountIds") or [], settings.get("forbiddenAccountIds") or []
    for key, listed in (("allowedAccountIds", allowed), ("forbiddenAccountIds", forbidden)):
        if not isinstance(listed, list):
            raise ProviderError(f"expected aws:{key} to be an array, got {listed!r}")
    if settings.get("skipCredentialsValidation") and not (allowed or forbidden):
        return connection
    aws_account = _identify(connection)
    if aws_account in forbidden or (allowed and aws_account not in allowed):
        raise ProviderError(f"AWS account ID not allowed: {aws_account}")
    return connection


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: decoded(key, value) for key, value in values.items() if value not in (None, "")}


def _connection(settings: Mapping[str, Any]) -> Connection:
    """Return a connection, in the AWS account of the last assumed role."""
    profile = settings.get("profile")
    inner = botocore.session.Session(profile=profile)
    for variable, key in (("config_file", "sharedConfigFiles"), ("credentials_file", "sharedCredentialsFiles")):
        if settings.get(key):
            inner.set_config_variable(variable, settings[key][0])
    try:
        session = boto3.Session(
            aws_access_key_id=settings.get("accessKey"),
            aws_secret_access_key=settings.get("secretKey"),
            aws_session_token=settings.get("token"),
            region_name=settings.get("region") or os.environ.get("AWS_REGION"),
            botocore_session=inner,
        )
    except ProfileNotFound as error:
        missing = profile or os.environ.get("AWS_PROFILE")
        raise ProviderError(f"failed to get shared config profile, {missing}") from error
    except BotoCoreError as error:
        raise ProviderError(str(error)) from error
    if not session.region_name:
        raise ProviderError(NO_REGION)
    default_tags = (settings.get("defaultTags") or {}).get("tags") or {}
    connection = Connection(session, settings, default_tags)
    for role in settings.get("assumeRoles") or []:
        connection = Connection(_assumed(connection, role), settings, default_tags)
    return connection


def _assumed(connection: Connection, role: Mapping[str, Any]) -> boto3.Session:
    tags = [{"Key": key, "Value": value} for key, value in (role.get("tags") or {}).items()]
    arguments = {
        "RoleArn": role.get("roleArn"),
        "RoleSessionName": role.get("sessionName") or "pulumi",
        "ExternalId": role.get("externalId"),
        "DurationSeconds": _seconds(role.get("duration")),
        "Policy": role.get("policy"),
        "PolicyArns": [{"arn": arn} for arn in role.get("policyArns") or []],
        "SourceIdentity": role.get("sourceIdentity"),
        "Tags": tags,
        "TransitiveTagKeys": role.get("transitiveTagKeys"),
    }
    client = connection.client("sts")
    try:
        answer = client.assume_role(**{key: value for key, value in arguments.items() if value})
    except (ClientError, BotoCoreError) as error:
        raise ProviderError(
            f"Cannot assume IAM Role\nIAM Role ({role.get('roleArn')}) cannot be assumed.\n"
            f"Error: {error_text(error, client)}"
        ) from error
    credentials = answer["Credentials"]
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=connection.region,
    )


def _seconds(duration: str | None) -> int | None:
    if not duration:
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


def _identify(connection: Connection) -> str:
    """Return the ID of the AWS account that the credentials are of."""
    client = connection.client("sts")
    try:
        return str(client.get_caller_identity()["Account"])
    except NoCredentialsError as error:
        raise ProviderError(NO_CREDENTIALS) from error
    except (ClientError, BotoCoreError) as error:
        raise ProviderError(
            f"validating provider credentials: retrieving caller identity from STS: {error_text(error, client)}"
        ) from error
