"""What AWS has now: roles, policies, OIDC providers, and how STS answers a token. Everything here only reads."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError, failed_request
from irsa_cli.state import is_secret

CONCURRENT = 16
# IAM throttles per AWS account; the adaptive mode slows down all threads together. In the standard mode, retries run
# out where IAM takes 20 requests per second (bench/verify.py).
TIMEOUTS = Config(connect_timeout=5, read_timeout=20)
PATIENT = TIMEOUTS.merge(
    Config(retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=CONCURRENT)
)
FIRST_REQUEST = TIMEOUTS.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
NO_CONNECTION = (NoConnectionError, HTTPClientError)
# The most that IAM lists at a time: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
PAGE = 1_000
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
    """One AWS service. The first request is sent alone, with a short timeout: it shows whether the service answers."""

    def __init__(self, session: Any, name: str, config: Config) -> None:
        """Create the clients of a session for a service, named as in boto3, with this configuration."""
        self.first: Any = session.client(name, config=FIRST_REQUEST.merge(config))
        self.patient: Any = session.client(name, config=PATIENT.merge(config))
        self._lock, self._met = threading.Lock(), False
        self._problem: Exception | None = None

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer to a question; if the first got none, later ones fail at once.

        Raises:
            ClientError: AWS answers with an error.
            BotoCoreError: AWS does not answer.
        """
        with self._lock:
            if self._problem:
                raise self._problem
            if not self._met:
                try:
                    answer = question(self.first)
                    self._met = True
                except NO_CONNECTION as error:
                    self._problem = error
                    raise
                except ClientError as error:
                    self._met = True
                    if not _is_transient(error):
                        raise
                else:
                    return answer
        return question(self.patient)


def _is_transient(error: ClientError) -> bool:
    """Return whether AWS advises to retry after this error: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html."""
    return "Throttl" in error.response["Error"]["Code"] or _status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR


class LiveAwsAccount:
    """One AWS account, read with one provider's credentials. Each question is asked once."""

    def __init__(self, session: Any, number: str) -> None:
        """Take a session and the number of its AWS account."""
        self.number = number
        self._iam = Service(session, "iam", Config())
        self._answers: dict[tuple[str, ...], Any] = {}
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def role(self, name: str) -> dict[str, Any] | None:
        """Return a role; None if it does not exist."""
        return self._once("GetRole", name, lambda iam: iam.get_role(RoleName=name)["Role"])

    def attached_policies(self, role_name: str) -> list[str] | None:
        """Return the ARNs of the role's managed policies."""
        return self._once(
            "ListAttachedRolePolicies",
            role_name,
            lambda iam: [
                policy["PolicyArn"]
                for policy in _pages(iam, "list_attached_role_policies", "AttachedPolicies", role_name)
            ],
        )

    def inline_policies(self, role_name: str) -> list[str] | None:
        """Return the names of the role's inline policies."""
        return self._once(
            "ListRolePolicies", role_name, lambda iam: _pages(iam, "list_role_policies", "PolicyNames", role_name)
        )

    def inline_document(self, role_name: str, name: str) -> dict[str, Any] | None:
        """Return an inline policy's document."""
        return self._once(
            "GetRolePolicy",
            f"{role_name}/{name}",
            lambda iam: iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"],
        )

    def document(self, policy_arn: str) -> dict[str, Any] | None:
        """Return the document of a managed policy's default version."""
        return self._once("GetPolicyVersion", policy_arn, lambda iam: _default_version(iam, policy_arn))

    def client_ids(self, provider_arn: str) -> list[str] | None:
        """Return the client ID list of an IAM OIDC provider, its audiences; None if it does not exist."""
        return self._once(
            "GetOpenIDConnectProvider",
            provider_arn,
            lambda iam: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn)["ClientIDList"],
        )

    def role_arns(self) -> list[str]:
        """Return the ARNs of all roles."""
        return self._all("ListRoles", lambda iam: [role["Arn"] for role in _all_pages(iam, "list_roles", "Roles")])

    def policies(self) -> dict[str, bool]:
        """Return the managed policies by ARN, those of AWS included, each with whether it can be attached."""
        return dict(
            self._all(
                "ListPolicies",
                lambda iam: [
                    (policy["Arn"], policy["IsAttachable"])
                    for policy in _all_pages(iam, "list_policies", "Policies", Scope="All")
                ],
            )
        )

    def oidc_providers(self) -> list[str]:
        """Return the ARNs of all IAM OIDC providers."""
        return self._all(
            "ListOpenIDConnectProviders",
            lambda iam: [each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]],
        )

    def summary(self) -> dict[str, int]:
        """Return how much of IAM's quotas is used, and the quotas, by the names of GetAccountSummary.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
        """
        return dict(self._all("GetAccountSummary", lambda iam: [*iam.get_account_summary()["SummaryMap"].items()]))

    def _all(self, operation: str, question: Callable[[Any], list[Answer]]) -> list[Answer]:
        return self._once(operation, "", question) or []

    def _once(self, operation: str, about: str, question: Callable[[Any], Answer]) -> Answer | None:
        """Return the answer to a question, which is asked once for all threads."""
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


def _all_pages(client: Any, operation: str, element: str, **parameters: Any) -> list[Any]:
    pages = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": PAGE}, **parameters)
    return [each for page in pages for each in page[element]]


def _answer(operation: str, ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise _failure(f"iam:{operation}", error) from error
    except BotoCoreError as error:
        raise CouldNotLookError(f"iam:{operation}: {error}") from error
    except ResponseParserError as error:
        # Something between here and AWS answered: its page, which boto3 quotes, is not passed on.
        raise CouldNotLookError(f"iam:{operation}: an answer that is not AWS's (a proxy, or the endpoint)") from error


def _failure(action: str, error: ClientError) -> CouldNotLookError:
    return failed_request(f"{action}: {_said(error)}", _status(error))


def _said(error: Exception) -> str:
    """Return what AWS answered, in quotes: an answer may repeat names that somebody else wrote."""
    if not isinstance(error, ClientError):
        return str(error)
    details = error.response["Error"]
    return f"{named(details['Code'])}: {named(details.get('Message', ''))}"


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


class LiveAwsAccounts:
    """The AWS accounts of a stack's providers."""

    def __init__(self, providers: Mapping[str, Inputs]) -> None:
        """Take the inputs of the providers, by their references in the state."""
        self._providers = dict(providers) or {"": {}}
        self._reached: dict[str, LiveAwsAccount | CouldNotLookError] = {}
        self._lock = threading.Lock()

    @property
    def _found(self) -> dict[str, LiveAwsAccount | CouldNotLookError]:
        with self._lock:
            if not self._reached:
                self._reached = {reference: _aws_account(inputs) for reference, inputs in self._providers.items()}
        return self._reached

    def of_role(self, role_arn: str, reference: str) -> LiveAwsAccount:
        """Return the AWS account of a role that the stack creates, as the provider that created it sees it.

        Raises:
            CouldNotLookError: The provider has no valid credentials, or those of another AWS account.
        """
        number = parse_iam_arn(role_arn, "role").account_id
        if reference not in self._found:
            # The role is gone from the state, and its provider with it; any provider of that AWS account will do.
            aws_account = self.of_arn(role_arn)
            if aws_account is None:
                raise CouldNotLookError(f"none of the stack's AWS providers has credentials of AWS account {number}")
            return aws_account
        found = self._found[reference]
        if isinstance(found, CouldNotLookError):
            raise found
        if found.number != number:
            raise CouldNotLookError(
                f"these AWS credentials are of AWS account {found.number}, but the role is {named(role_arn)}"
            )
        return found

    def of_arn(self, role_arn: str) -> LiveAwsAccount | None:
        """Return the AWS account of a role; None if no provider of the stack has credentials of it.

        Raises:
            CouldNotLookError: A provider has no valid credentials, and no other one is of that AWS account.
        """
        number = parse_iam_arn(role_arn, "role").account_id
        for found in self._found.values():
            if isinstance(found, LiveAwsAccount) and found.number == number:
                return found
        for found in self._found.values():
            if isinstance(found, CouldNotLookError):
                raise found
        return None

    def only(self) -> LiveAwsAccount:
        """Return the only AWS account of the stack.

        Raises:
            CouldNotLookError: There are several, or it cannot be reached.
        """
        first, *others = self._found.values()
        if isinstance(first, CouldNotLookError):
            raise first
        if any(isinstance(other, CouldNotLookError) or other.number != first.number for other in others):
            raise CouldNotLookError(
                "the stack has providers of several AWS accounts: pass the ARN of the role instead of its name"
            )
        return first


def _aws_account(inputs: Inputs) -> LiveAwsAccount | CouldNotLookError:
    try:
        session = session_of(inputs)
        return LiveAwsAccount(session, number_of(session))
    except CouldNotLookError as error:
        return error
    except (BotoCoreError, ValueError) as error:
        return CouldNotLookError(f"AWS: {error}")


def session_of(inputs: Inputs) -> Any:
    """Return a boto3 session with the credentials of a provider of these inputs.

    Raises:
        CouldNotLookError: The provider has settings that irsa does not support, or its role cannot be assumed.
    """
    unsupported = [name for name in NOT_FOLLOWED if inputs.get(name) not in (None, "", "[]", "{}")]
    unsupported += [name for name in FOLLOWED if is_secret(inputs.get(name))]
    if unsupported:
        raise CouldNotLookError(
            f"the stack's AWS provider has {', '.join(unsupported)}, which irsa does not read from the state"
        )
    try:
        session: Any = boto3.session.Session(profile_name=inputs.get("profile"), region_name=inputs.get("region"))
        for role in _listed(inputs.get("assumeRoles")):
            session = _assumed(session, role)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise CouldNotLookError(f"AWS credentials: {_said(error)}") from error
    return session


def _assumed(session: Any, role: Mapping[str, Any]) -> Any:
    parameters = {
        "RoleArn": role.get("roleArn"),
        "RoleSessionName": role.get("sessionName") or SESSION_NAME,
        "ExternalId": role.get("externalId"),
    }
    given = {key: value for key, value in parameters.items() if value}
    try:
        keys = session.client("sts", config=FIRST_REQUEST).assume_role(**given)["Credentials"]
    except ClientError as error:
        # The words of Pulumi's AWS plugin.
        reason = f"IAM Role ({role.get('roleArn')}) cannot be assumed: {_said(error)}"
        raise CouldNotLookError(f"AWS credentials: {reason}") from error
    return boto3.session.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=session.region_name,
    )


class Caller(NamedTuple):
    """Whose credentials are in use."""

    account_id: str
    arn: str

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, ..."""
        return self.arn.split(":")[1]


def caller(session: Any) -> Caller:
    """Return whose credentials a session has.

    Raises:
        CouldNotLookError: They are not valid, or STS does not answer.
    """
    try:
        found = session.client("sts", config=FIRST_REQUEST).get_caller_identity()
        return Caller(str(found["Account"]), str(found["Arn"]))
    except ClientError as error:
        raise _failure("sts:GetCallerIdentity", error) from error
    except (BotoCoreError, ValueError) as error:
        # ValueError: boto3 raises it for an AWS_ENDPOINT_URL that is not a URL.
        raise CouldNotLookError(f"sts:GetCallerIdentity: {error}") from error


def number_of(session: Any) -> str:
    """Return the number of a session's AWS account.

    Raises:
        CouldNotLookError: AWS does not accept the credentials, or does not answer.
    """
    return caller(session).account_id


def eks_cluster(session: Any, name: str, region: str | None) -> dict[str, Any] | None:
    """Return the description of an EKS cluster; None if it does not exist in that region.

    Raises:
        CouldNotLookError: EKS does not answer, or denies the request.
    """
    found = _eks("DescribeCluster", session, region, lambda eks: eks.describe_cluster(name=name)["cluster"])
    return found if found is None else dict(found)


def eks_access_entries(session: Any, name: str, region: str | None) -> list[str] | None:
    """Return the ARNs of the IAM principals that have an access entry in an EKS cluster.

    Raises:
        CouldNotLookError: EKS does not answer, or denies the request.
    """

    def ask(eks: Any) -> list[str]:
        pages = eks.get_paginator("list_access_entries").paginate(clusterName=name)
        return [arn for page in pages for arn in page["accessEntries"]]

    return _eks("ListAccessEntries", session, region, ask)


def _eks(operation: str, session: Any, region: str | None, question: Callable[[Any], Answer]) -> Answer | None:
    try:
        return question(session.client("eks", region_name=region, config=PATIENT))
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise _failure(f"eks:{operation}", error) from error
    except (BotoCoreError, ValueError) as error:
        raise CouldNotLookError(f"eks:{operation}: {error}") from error


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a provider's input, which the state keeps as JSON."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return [role for role in parsed or [] if isinstance(role, Mapping)]


class Refused(Exception):
    """STS gave no credentials."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the error's code and message."""
        super().__init__(f"{named(code)}: {named(message)}")
        self.code, self.message = code, message


class TokenService:
    """STS, for tokens: it is asked without credentials, and the credentials that it returns never leave this class."""

    def __init__(self, region: str | None) -> None:
        """Create the client for the endpoint of a region."""
        self._lock = threading.Lock()
        try:
            self._session: Any = boto3.session.Session(region_name=region)
            self._anonymous = Service(self._session, "sts", Config(signature_version=UNSIGNED))
        except (BotoCoreError, ValueError) as error:
            raise CouldNotLookError(f"STS: {error}") from error

    def identity(self, token: str, role_arn: str) -> str:
        """Return the ARN of the session that this token gets for this role.

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
            # Its message may quote a parameter, and one of them is the token.
            raise CouldNotLookError(f"STS: {type(error).__name__}") from None
        # The role was assumed: a failure from here on is not a refusal.
        try:
            with self._lock:
                client = self._session.client(
                    "sts",
                    aws_access_key_id=keys["AccessKeyId"],
                    aws_secret_access_key=keys["SecretAccessKey"],
                    aws_session_token=keys["SessionToken"],
                    config=FIRST_REQUEST,
                )
            return str(client.get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError) as error:
            raise CouldNotLookError(f"the role was assumed, but GetCallerIdentity: {type(error).__name__}") from None
