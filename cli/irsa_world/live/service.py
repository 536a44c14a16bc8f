"""One AWS service: how it is asked, how long, and why it gave no answer."""

from collections.abc import Callable
from typing import Any

from botocore import exceptions, xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from irsa.rules.mistakes import named
from irsa_world.causes import Cause, cause_of
from irsa_world.exits import CouldNotLookError, failed_request
from irsa_world.live.once import Answer, FirstAlone

CONCURRENT = 16
# IAM throttles per AWS account; the adaptive mode slows down all threads together. In the standard mode, retries run
# out where IAM takes 20 requests per second.
PATIENT = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "adaptive", "total_max_attempts": 10},
    max_pool_connections=CONCURRENT,
)
# Each may take as long as the timeouts.
ATTEMPTS_WITHOUT_CONNECTION = 3
NO_CONNECTION = (NoConnectionError, HTTPClientError)
# ValueError: boto3 raises it for an AWS_ENDPOINT_URL that is not a URL.
NO_ANSWER = (ClientError, BotoCoreError, ResponseParserError, ValueError)
ASSUME_ROLE = "AssumeRole"
# The first one that an error is an instance of counts.
TYPES: tuple[tuple[type[Exception], Cause], ...] = (
    (exceptions.ProfileNotFound, Cause.PROFILE_MISSING),
    (exceptions.NoRegionError, Cause.REGION_MISSING),
    (exceptions.TokenRetrievalError, Cause.EXPIRED),
    (exceptions.SSOError, Cause.EXPIRED),
    (exceptions.LoginRefreshRequired, Cause.EXPIRED),
    (exceptions.LoginTokenLoadError, Cause.EXPIRED),
    (exceptions.NoCredentialsError, Cause.NO_CREDENTIALS),
    (exceptions.PartialCredentialsError, Cause.NO_CREDENTIALS),
    (exceptions.SSLError, Cause.NOT_TRUSTED),
    (NoConnectionError, Cause.NO_CONNECTION),
    (HTTPClientError, Cause.NO_CONNECTION),
)


class Service:
    """One AWS service. The first request is sent alone: it shows whether the service answers."""

    def __init__(self, session: Any, name: str, config: Config | None = None, **credentials: str) -> None:
        """Create the client of a session for a service, named as in boto3; credentials replace those of the session.

        Raises:
            CouldNotLookError: There is no region, or the endpoint is no URL.
        """
        try:
            self.client: Any = session.client(name, config=PATIENT.merge(config or Config()), **credentials)
        except NO_ANSWER as error:
            raise failure(name, error) from error
        self.client.meta.events.register_first(f"needs-retry.{name}", _end_without_connection)
        self._requests = FirstAlone(*NO_CONNECTION)

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer to a question; where one got none, though it was sent alone, later ones fail at once.

        Raises:
            ClientError: AWS answers with an error.
            BotoCoreError: AWS does not answer.
        """
        return self._requests.ask(lambda: question(self.client))

    def ask_in_bulk(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer to a question for a list of the whole AWS account, likewise; it waits for no other one."""
        return self._requests.ask_beside(lambda: question(self.client))


def _end_without_connection(attempts: int, caught_exception: Exception | None, **_: Any) -> None:
    """End a request that had no connection so often; botocore's retries decide about everything else."""
    if attempts >= ATTEMPTS_WITHOUT_CONNECTION and isinstance(caught_exception, NO_CONNECTION):
        raise caught_exception


def answered(action: str, ask: Callable[[], Answer]) -> Answer | None:
    """Return AWS's answer to an action, such as `iam:GetRole`; None if what it asks about does not exist.

    Raises:
        CouldNotLookError: AWS does not answer, or denies the request.
    """
    try:
        return ask()
    except NO_ANSWER as error:
        if _cause_of(error) is Cause.NOT_FOUND:
            return None
        raise failure(action, error) from error


def all_pages(client: Any, operation: str, element: str, size: int | None = None, **parameters: Any) -> list[Any]:
    """Return what all pages of a list have, asked for in pages of this size; without one, AWS chooses it."""
    pages = client.get_paginator(xform_name(operation)).paginate(PaginationConfig={"PageSize": size}, **parameters)
    return [each for page in pages for each in page[element]]


def failure(action: str, error: Exception) -> CouldNotLookError:
    """Return the error for an action, such as `iam:GetRole`, to which AWS gave no answer, or an error."""
    about = error.kwargs["profile"] if isinstance(error, exceptions.ProfileNotFound) else ""
    return failed_request(f"{action}: {said(error)}", _status(error), _cause_of(error), about)


def _cause_of(error: Exception) -> Cause:
    if isinstance(error, ClientError):
        cause = cause_of(error.response["Error"]["Code"], error.response["Error"].get("Message", ""))
        is_of_role = error.operation_name == ASSUME_ROLE and cause in (Cause.DENIED, Cause.UNKNOWN)
        return Cause.ROLE_NOT_ASSUMABLE if is_of_role else cause
    return next((cause for kind, cause in TYPES if isinstance(error, kind)), Cause.UNKNOWN)


def said(error: Exception) -> str:
    """Return what AWS answered, in quotes: an answer may repeat names that somebody else wrote."""
    if isinstance(error, ResponseParserError):
        # The page that boto3 quotes is not passed on.
        return "an answer that ends early, or is not AWS's (a proxy, or the endpoint)"
    if not isinstance(error, ClientError):
        return str(error)
    details = error.response["Error"]
    return f"{named(details['Code'])}: {named(details.get('Message', ''))}"


def _status(error: Exception) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 0
