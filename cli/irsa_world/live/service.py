"""One AWS service: how it is asked, how long, and why it gave no answer."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from botocore import exceptions, xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from irsa.rules.mistakes import named
from irsa_world.causes import Cause, cause_of
from irsa_world.exits import CouldNotLookError, failed_request
from irsa_world.live.once import Answer

CONCURRENT = 16
# IAM throttles per AWS account; the adaptive mode slows down all threads together. In the standard mode, retries run
# out where IAM takes 20 requests per second.
TIMEOUTS = Config(connect_timeout=5, read_timeout=10)
PATIENT = TIMEOUTS.merge(
    Config(retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=CONCURRENT)
)
FIRST_REQUEST = TIMEOUTS.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
NO_CONNECTION = (NoConnectionError, HTTPClientError)
SILENCE = (ConnectTimeoutError, ReadTimeoutError)
ATTEMPTS_OF_A_LIST = 3
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
    """One AWS service. The first request is sent alone, with a short timeout: it shows whether the service answers."""

    def __init__(self, session: Any, name: str, config: Config) -> None:
        """Create the clients of a session for a service, named as in boto3, with this configuration."""
        self.first: Any = session.client(name, config=FIRST_REQUEST.merge(config))
        self.patient: Any = session.client(name, config=PATIENT.merge(config))
        self._name, self._lock, self._met = name, threading.Lock(), False
        self._problem: Exception | None = None

    def give_up_soon(self, *operations: str) -> None:
        """Send these operations three times at most where there is no connection, ten times where AWS throttles."""
        for operation in operations:
            self.patient.meta.events.register_first(f"needs-retry.{self._name}.{operation}", _end_without_connection)

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer to a question; where one got none, however often it was sent, later ones fail at once.

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
                except NO_CONNECTION as error:
                    self._problem = error
                    raise
                except ClientError as error:
                    self._met = True
                    if not _is_transient(error):
                        raise
                else:
                    self._met = True
                    return answer
        try:
            return question(self.patient)
        except NO_CONNECTION as error:
            self._problem = error
            raise

    def ask_in_bulk(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer to a question for a list of the whole AWS account, likewise.

        That there is no answer to it, which is large, says nothing of other questions; where it was waited for, the
        next one is sent like the first.
        """
        if self._problem:
            raise self._problem
        try:
            return question(self.patient)
        except SILENCE:
            self._met = False
            raise


def _end_without_connection(attempts: int, caught_exception: Exception | None, **_: Any) -> None:
    """End a request that had no connection so often; botocore's retries decide about everything else."""
    if attempts >= ATTEMPTS_OF_A_LIST and isinstance(caught_exception, NO_CONNECTION):
        raise caught_exception


def _is_transient(error: ClientError) -> bool:
    """Return whether AWS advises to retry after this error: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html."""
    return _cause_of(error) is Cause.THROTTLED or _status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR


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
