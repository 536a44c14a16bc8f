"""One AWS service: how it is asked, how long, and why it gave no answer."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore import exceptions, xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from irsa.rules.mistakes import named
from irsa_world.causes import Cause, cause_of
from irsa_world.exits import CouldNotLookError, failed_request
from irsa_world.live.once import Answer, FirstAlone, Once, slowed_down
from irsa_world.shapes import OF_AWS, checked_answer, read_items

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
# What boto3 cannot read: it finds nothing in what is not AWS's, such as the page of a proxy, and takes every value for
# what the service model says.
UNREADABLE = (ResponseParserError, KeyError, AttributeError, TypeError, RecursionError)
# ValueError: boto3 raises it for an AWS_ENDPOINT_URL that is not a URL.
NO_ANSWER = (ClientError, BotoCoreError, ValueError, *UNREADABLE)
ASSUME_ROLE = "AssumeRole"
# Lists of a whole AWS account, which wait for no other request.
IN_BULK = ("GetAccountAuthorizationDetails", "ListPolicies", "ListRoles")
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

    def __init__(self, session: Any, name: str, config: Config | None = None) -> None:
        """Create the client of a session for a service, named as in boto3.

        Raises:
            CouldNotLookError: There is no region, or the endpoint is no URL.
        """
        try:
            self.client: Any = session.client(name, config=PATIENT.merge(config or Config()))
        except NO_ANSWER as error:
            raise failure(name, error) from error
        self.client.meta.events.register_first(f"needs-retry.{name}", _end_without_connection)
        self.client.meta.events.register_first(f"needs-retry.{name}", _notice_throttling)
        self._name, self._requests, self._answers = name, FirstAlone(*NO_CONNECTION), Once()

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer to a question; where one got none, though it was sent alone, later ones fail at once.

        Raises:
            ClientError: AWS answers with an error.
            BotoCoreError: AWS does not answer.
        """
        return self._requests.ask(lambda: question(self.client))

    def get(self, operation: str, element: str, **parameters: Any) -> Any | None:
        """Return what an operation answers, at an element of it; None if what it asks about does not exist.

        The same question is asked once.

        Raises:
            CouldNotLookError: AWS does not answer, or denies the request.
        """
        name = xform_name(operation)
        # What does not exist is no tuple; null is an answer, and wrong.
        answer = self._once(operation, parameters, lambda client: (getattr(client, name)(**parameters)[element],))
        if answer is None:
            return None
        return checked_answer(f"{self._name}:{operation}", answer[0], OF_AWS[f"{operation}.{element}"])

    def all(
        self,
        operation: str,
        element: str,
        size: int | None = None,
        of: Callable[[Any], Any] = lambda item: item,
        **parameters: Any,
    ) -> list[Any]:
        """Return what all pages of a list have, likewise, in pages of this size; without one, AWS chooses it.

        Args:
            of: Returns what is wanted of an item.

        Raises:
            PartlyReadError: Some items cannot be read.
        """

        def pages(client: Any) -> list[Any]:
            paginator = client.get_paginator(xform_name(operation))
            items, page = list[Any](), dict[str, Any]()
            for page in paginator.paginate(PaginationConfig={"PageSize": size}, **parameters):
                items += page[element]
            # boto3 takes a page without a marker for the last one.
            if page.get("IsTruncated"):
                raise CouldNotLookError(f"{self._name}:{operation}: the list has more pages and does not say where")
            return items

        listed = self._once(operation, parameters, pages) or []
        return read_items(f"{self._name}:{operation}", listed, OF_AWS[f"{operation}.{element}"], of)

    def _once(self, operation: str, parameters: Any, question: Callable[[Any], Answer]) -> Answer | None:
        ask = self._requests.ask_beside if operation in IN_BULK else self._requests.ask
        return self._answers.answer(
            (operation, json.dumps(parameters)),
            lambda: answered(f"{self._name}:{operation}", lambda: ask(lambda: question(self.client))),
        )


def _notice_throttling(response: tuple[Any, Mapping[str, Any]] | None, **_: Any) -> None:
    """Note that AWS asks to slow down, which botocore's retries do without a word."""
    if response and cause_of(str(response[1].get("Error", {}).get("Code", ""))) is Cause.THROTTLED:
        slowed_down.set()


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
    if isinstance(error, UNREADABLE):
        # The page that boto3 quotes is not passed on.
        return "an answer that ends early, or is not AWS's (a proxy, or the endpoint)"
    if not isinstance(error, ClientError):
        return str(error)
    details = error.response["Error"]
    return f"{named(details['Code'])}: {named(details.get('Message', ''))}"


def _status(error: Exception) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 0
