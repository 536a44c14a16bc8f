"""The provider's configuration, and the clients that speak to AWS with it."""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import json_decode_policies

from sandbox.plugins.serving import ProviderError

SETTINGS = {
    *("accessKey", "allowedAccountIds", "assumeRoles", "forbiddenAccountIds", "maxRetries", "profile", "region"),
    *("secretKey", "token"),
    # The SDK passes these to every explicit provider, and the engine those to every provider.
    *("skipCredentialsValidation", "skipRegionValidation", "version", "pluginDownloadURL", "parameterization"),
}
_CONNECTIONS = 64
# The official plugin gives up after so many where nothing listens, and else after 25; it takes 0 for no value.
_ATTEMPTS = 6


def unknown_settings(values: Mapping[str, Any]) -> list[str]:
    """Return a refusal of each of the provider's arguments that would have no effect here."""
    unknown = [key for key in values if key not in SETTINGS and not key.startswith("__")]
    return [f"the sandbox's AWS plugin does not have the setting aws:{key}" for key in unknown]


def decoded(value: Any) -> Any:
    """Return a configuration value, parsed where it is JSON text of a list, an object or a number."""
    try:
        return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
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
        config = Config(
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": int(self.settings.get("maxRetries") or _ATTEMPTS)},
        )
        client = cast("Any", self.session.client)(service, region_name=region, config=config)
        # A document's text as it is stored matters, and botocore would parse it.
        client.meta.events.unregister("after-call.iam", json_decode_policies)
        return client


def connect(values: Mapping[str, Any]) -> Connection:
    """Return a connection for the provider's arguments.

    Raises:
        ProviderError: There are no credentials, or they are of an AWS account that is not allowed.
    """
    settings = {key: decoded(value) for key, value in values.items() if value not in (None, "")}
    connection = _connection(settings)
    allowed, forbidden = settings.get("allowedAccountIds") or [], settings.get("forbiddenAccountIds") or []
    aws_account = _identify(connection)
    if aws_account in forbidden or (allowed and aws_account not in allowed):
        raise ProviderError(f"AWS account ID not allowed: {aws_account}")
    return connection


def _connection(settings: Mapping[str, Any]) -> Connection:
    """Return a connection, in the AWS account of the last assumed role."""
    try:
        session = boto3.Session(
            aws_access_key_id=settings.get("accessKey"),
            aws_secret_access_key=settings.get("secretKey"),
            aws_session_token=settings.get("token"),
            region_name=settings.get("region") or os.environ.get("AWS_REGION"),
            profile_name=settings.get("profile"),
        )
    except BotoCoreError as error:
        raise ProviderError(str(error)) from error
    if not session.region_name:
        raise ProviderError("Missing region information: pulumi config set aws:region us-west-2")
    connection = Connection(session, settings)
    for role in settings.get("assumeRoles") or []:
        connection = Connection(_assumed(connection, role), settings)
    return connection


def _assumed(connection: Connection, role: Mapping[str, Any]) -> boto3.Session:
    client = connection.client("sts")
    try:
        answer = client.assume_role(RoleArn=role.get("roleArn"), RoleSessionName=role.get("sessionName") or "pulumi")
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


def _identify(connection: Connection) -> str:
    """Return the ID of the AWS account that the credentials are of."""
    client = connection.client("sts")
    try:
        return str(client.get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise ProviderError(
            f"validating provider credentials: retrieving caller identity from STS: {error_text(error, client)}"
        ) from error
