"""What AWS says now: roles, policies, OIDC providers, and what STS makes of a token. Everything here only reads."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as NoConnectionError

from irsa.rules.arns import parse_iam_arn
from irsa_cli.exits import CouldNotLookError
from irsa_cli.state import is_secret

CONCURRENT = 16
# IAM throttles per account; the adaptive mode slows all threads down together. In the standard mode, bench/verify.py
# loses answers where IAM takes 20 requests per second: its retries run out.
TIMEOUTS = Config(connect_timeout=5, read_timeout=20)
PATIENT = TIMEOUTS.merge(
    Config(retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=CONCURRENT)
)
FIRST_QUESTION = TIMEOUTS.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
NOBODY_ANSWERS = (NoConnectionError, HTTPClientError)
SESSION_NAME = "irsa"
SHORTEST_SESSION_SECONDS = 900

# Inputs of the AWS provider that decide who asks and where; a secret one is an object in the state.
# https://www.pulumi.com/registry/packages/aws/api-docs/provider/
FOLLOWED = ("profile", "region", "assumeRoles")
NOT_FOLLOWED = (
    "accessKey",
    "secretKey",
    "token",
    "assumeRoleWithWebIdentity",
    "endpoints",
    "sharedConfigFiles",
    "sharedCredentialsFiles",
)

Inputs = Mapping[str, Any]
Answer = TypeVar("Answer")


class Service:
    """One AWS service. The first question goes alone and waits for little: it tells whether anybody answers at all."""

    def __init__(self, session: Any, name: str, config: Config) -> None:
        """Take a session, the service's name in boto3, and what is special about the clients."""
        self.first: Any = session.client(name, config=FIRST_QUESTION.merge(config))
        self.patient: Any = session.client(name, config=PATIENT.merge(config))
        self._lock, self._met = threading.Lock(), False
        self._problem: Exception | None = None

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Ask a question of a client; nothing more is asked once nobody has answered.

        Raises:
            ClientError: AWS's answer is an error.
            BotoCoreError: There is no answer.
        """
        with self._lock:
            if self._problem:
                raise self._problem
            if not self._met:
                try:
                    answer = question(self.first)
                    self._met = True
                except NOBODY_ANSWERS as error:
                    self._problem = error
                    raise
                except ClientError as error:
                    self._met = True
                    if not _passes(error):
                        raise
                else:
                    return answer
        return question(self.patient)


def _passes(error: ClientError) -> bool:
    """Tell whether an error is one that AWS advises to wait for: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return "Throttl" in error.response["Error"]["Code"] or status >= HTTPStatus.INTERNAL_SERVER_ERROR


class AwsAccount:
    """One AWS account, seen with one provider's credentials. Every answer is asked for once."""

    def __init__(self, session: Any, number: str) -> None:
        """Take a session and the account that it is in."""
        self.number = number
        self._iam = Service(session, "iam", Config())
        self._answers: dict[tuple[str, ...], Any] = {}
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def role(self, name: str) -> dict[str, Any] | None:
        """Give a role; nothing when there is none."""
        return self._once("GetRole", name, lambda iam: iam.get_role(RoleName=name)["Role"])

    def attached_policies(self, role_name: str) -> list[str] | None:
        """Give the ARNs of the role's managed policies."""
        return self._once(
            "ListAttachedRolePolicies",
            role_name,
            lambda iam: [
                policy["PolicyArn"]
                for policy in _pages(iam, "list_attached_role_policies", "AttachedPolicies", role_name)
            ],
        )

    def inline_policies(self, role_name: str) -> list[str] | None:
        """Give the names of the role's inline policies."""
        return self._once(
            "ListRolePolicies", role_name, lambda iam: _pages(iam, "list_role_policies", "PolicyNames", role_name)
        )

    def inline_document(self, role_name: str, name: str) -> dict[str, Any] | None:
        """Give an inline policy's document."""
        return self._once(
            "GetRolePolicy",
            f"{role_name}/{name}",
            lambda iam: iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"],
        )

    def document(self, policy_arn: str) -> dict[str, Any] | None:
        """Give the document of a managed policy's default version."""
        return self._once("GetPolicyVersion", policy_arn, lambda iam: _default_version(iam, policy_arn))

    def client_ids(self, provider_arn: str) -> list[str] | None:
        """Give the audiences that an IAM OIDC provider admits; nothing when there is no such provider."""
        return self._once(
            "GetOpenIDConnectProvider",
            provider_arn,
            lambda iam: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn)["ClientIDList"],
        )

    def _once(self, operation: str, about: str, question: Callable[[Any], Answer]) -> Answer | None:
        """Ask a question once, however many threads want the answer."""
        key = (operation, about)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._answers:
                self._answers[key] = _answer(operation, lambda: self._iam.ask(question))
            answer: Answer | None = self._answers[key]
        return answer


def _default_version(iam: Any, policy_arn: str) -> Any:
    version = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"]["Document"]


def _pages(iam: Any, operation: str, element: str, role_name: str) -> list[Any]:
    pages = iam.get_paginator(operation).paginate(RoleName=role_name)
    return [each for page in pages for each in page[element]]


def _answer(operation: str, ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchEntity":
            return None
        raise CouldNotLookError(f"iam:{operation}: {code}: {error.response['Error'].get('Message', '')}") from error
    except BotoCoreError as error:
        raise CouldNotLookError(f"iam:{operation}: {error}") from error


class AwsAccounts:
    """The AWS accounts that a stack's providers lead to."""

    def __init__(self, providers: Mapping[str, Inputs]) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self._reached: dict[str, AwsAccount | CouldNotLookError] = {}
        self._lock = threading.Lock()

    @property
    def _found(self) -> dict[str, AwsAccount | CouldNotLookError]:
        with self._lock:
            if not self._reached:
                self._reached = {reference: _aws_account(inputs) for reference, inputs in self._providers.items()}
        return self._reached

    def of_role(self, role_arn: str, reference: str) -> AwsAccount:
        """Give the account of a role that the stack makes, as the provider that made it reaches it.

        Raises:
            CouldNotLookError: The provider leads nowhere, or to another account.
        """
        number = parse_iam_arn(role_arn, "role").account_id
        if reference not in self._found:
            # The state forgot the provider along with the role; any way to the account will do.
            aws_account = self.of_arn(role_arn)
            if aws_account is None:
                raise CouldNotLookError(f"none of the stack's AWS providers leads to account {number}")
            return aws_account
        found = self._found[reference]
        if isinstance(found, CouldNotLookError):
            raise found
        if found.number != number:
            raise CouldNotLookError(f"these AWS credentials are of account {found.number}, and {role_arn} is not in it")
        return found

    def of_arn(self, role_arn: str) -> AwsAccount | None:
        """Give the account of a role; nothing when none of the stack's providers leads there.

        Raises:
            CouldNotLookError: A provider leads nowhere, and none of the others there.
        """
        number = parse_iam_arn(role_arn, "role").account_id
        for found in self._found.values():
            if isinstance(found, AwsAccount) and found.number == number:
                return found
        for found in self._found.values():
            if isinstance(found, CouldNotLookError):
                raise found
        return None

    def only(self) -> AwsAccount:
        """Give the account, when there is only one.

        Raises:
            CouldNotLookError: There are several, or it cannot be reached.
        """
        first, *others = self._found.values()
        if isinstance(first, CouldNotLookError):
            raise first
        if any(isinstance(other, CouldNotLookError) or other.number != first.number for other in others):
            raise CouldNotLookError("the stack has AWS providers of several accounts: give the role's ARN")
        return first


def _aws_account(inputs: Inputs) -> AwsAccount | CouldNotLookError:
    try:
        session = session_of(inputs)
        return AwsAccount(session, _number(session))
    except CouldNotLookError as error:
        return error
    except (BotoCoreError, ValueError) as error:
        # ValueError: boto3's word for an AWS_ENDPOINT_URL that is no URL.
        return CouldNotLookError(f"AWS: {error}")


def session_of(inputs: Inputs) -> Any:
    """Give the boto3 session that a provider of these inputs stands for.

    Raises:
        CouldNotLookError: The provider has settings that are not followed here, or its role cannot be assumed.
    """
    given = [name for name in NOT_FOLLOWED if inputs.get(name) not in (None, "", "[]", "{}")]
    given += [name for name in FOLLOWED if is_secret(inputs.get(name))]
    if given:
        raise CouldNotLookError(
            f"the stack's AWS provider has {', '.join(given)}, which irsa does not read from the state"
        )
    try:
        session: Any = boto3.session.Session(profile_name=inputs.get("profile"), region_name=inputs.get("region"))
        for role in _listed(inputs.get("assumeRoles")):
            session = _assumed(session, role)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise CouldNotLookError(f"AWS credentials: {error}") from error
    return session


def _assumed(session: Any, role: Mapping[str, Any]) -> Any:
    wanted = {
        "RoleArn": role.get("roleArn"),
        "RoleSessionName": role.get("sessionName") or SESSION_NAME,
        "ExternalId": role.get("externalId"),
    }
    given = {key: value for key, value in wanted.items() if value}
    keys = session.client("sts", config=FIRST_QUESTION).assume_role(**given)["Credentials"]
    return boto3.session.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=session.region_name,
    )


def _number(session: Any) -> str:
    try:
        return str(session.client("sts", config=FIRST_QUESTION).get_caller_identity()["Account"])
    except ClientError as error:
        details = error.response["Error"]
        raise CouldNotLookError(f"sts:GetCallerIdentity: {details['Code']}: {details.get('Message', '')}") from error
    except BotoCoreError as error:
        raise CouldNotLookError(f"sts:GetCallerIdentity: {error}") from error


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """Read a provider's input, which the state keeps as JSON."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return [role for role in parsed or [] if isinstance(role, Mapping)]


class Refused(Exception):
    """STS gave no credentials."""

    def __init__(self, code: str, message: str) -> None:
        """Keep AWS's code and words."""
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class TokenService:
    """STS, for tokens: no credentials of ours are used, and none of its credentials leave this class."""

    def __init__(self, region: str | None) -> None:
        """Take the region whose endpoint is asked."""
        self._lock = threading.Lock()
        try:
            self._session: Any = boto3.session.Session(region_name=region)
            self._anonymous = Service(self._session, "sts", Config(signature_version=UNSIGNED))
        except (BotoCoreError, ValueError) as error:
            raise CouldNotLookError(f"STS: {error}") from error

    def identity(self, token: str, role_arn: str) -> str:
        """Give the ARN of who somebody is that has this token and assumes this role.

        Raises:
            Refused: STS refuses.
            CouldNotLookError: STS gives no answer.
        """
        try:
            keys = self._anonymous.ask(
                lambda sts: sts.assume_role_with_web_identity(
                    RoleArn=role_arn,
                    RoleSessionName=SESSION_NAME,
                    WebIdentityToken=token,
                    DurationSeconds=SHORTEST_SESSION_SECONDS,
                )
            )["Credentials"]
        except ParamValidationError:
            raise Refused("ValidationError", "Request ARN is invalid") from None
        except ClientError as error:
            details = error.response["Error"]
            raise Refused(details["Code"], details.get("Message", "")) from None
        except BotoCoreError as error:
            # Its words may quote a parameter, and one of them is the token.
            raise CouldNotLookError(f"STS: {type(error).__name__}") from None
        # From here on the role was assumed: a failure is no refusal any more.
        try:
            with self._lock:
                client = self._session.client(
                    "sts",
                    aws_access_key_id=keys["AccessKeyId"],
                    aws_secret_access_key=keys["SecretAccessKey"],
                    aws_session_token=keys["SessionToken"],
                    config=FIRST_QUESTION,
                )
            return str(client.get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError) as error:
            raise CouldNotLookError(f"the role was assumed, but GetCallerIdentity: {type(error).__name__}") from None
