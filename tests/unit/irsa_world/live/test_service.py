"""Why AWS gave no answer, by the codes and types of boto3."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import caller, session_of
from irsa_world.live.eks import EksClient
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.once import FirstAlone, slowed_down
from irsa_world.live.service import Service, failure
from tests.world import aws_response

URL = "https://iam.amazonaws.com/"


def answer(code: str, message: str = "", operation: str = "DescribeCluster") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (exceptions.NoCredentialsError(), Cause.NO_CREDENTIALS),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), Cause.NO_CREDENTIALS),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="refresh failed"), Cause.EXPIRED),
        (exceptions.UnauthorizedSSOTokenError(), Cause.EXPIRED),
        (exceptions.SSOTokenLoadError(error_msg="Token for dev does not exist"), Cause.EXPIRED),
        (exceptions.LoginRefreshRequired(), Cause.EXPIRED),
        (exceptions.ProfileNotFound(profile="data"), Cause.PROFILE_MISSING),
        (exceptions.NoRegionError(), Cause.REGION_MISSING),
        (exceptions.EndpointConnectionError(endpoint_url=URL), Cause.NO_CONNECTION),
        (exceptions.ConnectTimeoutError(endpoint_url=URL), Cause.NO_CONNECTION),
        (exceptions.ReadTimeoutError(endpoint_url=URL), Cause.NO_CONNECTION),
        (exceptions.ProxyConnectionError(proxy_url=URL), Cause.NO_CONNECTION),
        (exceptions.ConnectionClosedError(endpoint_url=URL), Cause.NO_CONNECTION),
        (exceptions.SSLError(endpoint_url=URL, error=OSError("certificate verify failed")), Cause.NOT_TRUSTED),
        # https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
        (answer("ExpiredToken"), Cause.EXPIRED),
        (answer("UnrecognizedClientException"), Cause.INVALID_CREDENTIALS),
        (answer("SignatureDoesNotMatch", "The request signature we calculated"), Cause.INVALID_CREDENTIALS),
        (answer("SignatureDoesNotMatch", "Signature expired: 20261125T120000Z is now"), Cause.CLOCK),
        (answer("ThrottlingException"), Cause.THROTTLED),
        (answer("AccessDeniedException"), Cause.DENIED),
        (answer("NoSuchEntity"), Cause.NOT_FOUND),
        # The credentials of a profile with `role_arn` are those of a role, which boto3 assumes at the first request.
        (answer("AccessDenied", operation="AssumeRole"), Cause.ROLE_NOT_ASSUMABLE),
        (answer("ExpiredToken", operation="AssumeRole"), Cause.EXPIRED),
        (answer("SomethingNew"), Cause.UNKNOWN),
    ],
    ids=lambda value: str(value)[:50],
)
def test_each_error_has_its_cause(error: Exception, cause: Cause) -> None:
    found = failure("sts:GetCallerIdentity", error)

    assert found.cause is cause
    assert found.about == ("data" if cause is Cause.PROFILE_MISSING else "")


def test_a_page_in_the_place_of_an_answer_is_not_printed() -> None:
    """The attack: a proxy's HTML, with the codes of a terminal, instead of an answer; or the first half of one."""
    found = failure("iam:GetRole", ResponseParserError("invalid XML received: <html>\x1b[31mForbidden"))

    assert str(found).startswith("iam:GetRole: an answer that ends early, or is not AWS's")
    assert "html" not in str(found)


@pytest.mark.parametrize(
    "ask",
    [
        caller,
        lambda session: EksClient(session, None).cluster("my-cluster"),
        lambda session: EksClient(session, None).listed("my-cluster"),
        lambda session: AwsAccountClient(session, "111122223333").role("app"),
        lambda session: AwsAccountClient(session, "111122223333").listed_roles(),
    ],
)
def test_a_page_that_is_well_formed_is_no_answer(ask: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as where a network asks to sign in: boto3 reads it as an answer with nothing in it."""
    session = session_of({"region": "us-west-2"})
    session.events.register("before-send", lambda **_: aws_response(200, "<html><body>Sign in</body></html>"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")

    with pytest.raises(CouldNotLookError, match="or is not AWS's"):
        ask(session)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (".!.", ".!."),
        # What follows silence is sent alone, and where it has no answer either, nobody waits any more.
        (".!!.", ".!!"),
        ("#.", "#."),
        (".#.#!.#", ".#.#!"),
    ],
)
def test_a_server_that_is_silent_twice_is_asked_nothing_more(asked: str, sent: str) -> None:
    """`.` is a question with an answer, `!` one without, `#` a list without, which says nothing of other questions."""
    requests, found = FirstAlone(TimeoutError), list[str]()

    def request(kind: str) -> None:
        found.append(kind)
        if kind != ".":
            raise TimeoutError

    for each in asked:
        with contextlib.suppress(TimeoutError):
            (requests.ask_beside if each == "#" else requests.ask)(functools.partial(request, each))

    assert "".join(found) == sent


def test_the_first_goes_alone_and_the_others_together() -> None:
    requests, together, asked = FirstAlone(), threading.Barrier(4), list[int]()

    def request(number: int) -> int:
        asked.append(number)
        if len(asked) == 1:
            time.sleep(0.05)
            assert len(asked) == 1
        else:
            # They wait for each other, which they can only do when they are sent together.
            together.wait(timeout=60)
        return number

    with ThreadPoolExecutor(5) as pool:
        assert [*pool.map(lambda each: requests.ask(lambda: request(each)), range(5))] == [*range(5)]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("sts", "assume_role_with_web_identity",
         {"RoleArn": "arn:aws:iam::111122223333:role/app", "RoleSessionName": "irsa", "WebIdentityToken": "x" * 8},
         "Throttling"),
        ("eks", "describe_cluster", {"name": "x"}, "ThrottlingException"),
        ("eks", "describe_cluster", {"name": "x"}, "ResourceNotFoundException"),
    ],
)  # fmt: skip
def test_a_request_to_slow_down_is_noted(service: str, operation: str, parameters: Any, code: str) -> None:
    """The retries of boto3 take minutes, and say nothing."""
    slowed_down.clear()
    session = boto3.Session("x", "x", region_name="us-west-2")
    asked = Service(session, service, Config(retries={"total_max_attempts": 1}))
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>x</Message></Error></ErrorResponse>"
    if service == "eks":
        body = "{}"
    answer = aws_response(400, body, {"x-amzn-errortype": code})
    asked.client.meta.events.register("before-send", lambda **_: answer)

    with pytest.raises(ClientError):
        asked.ask(lambda client: getattr(client, operation)(**parameters))
    assert slowed_down.is_set() is ("Throttling" in code)
