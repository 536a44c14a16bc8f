"""Asking STS for the session of a token, where many are asked for at a time."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import session_for_tokens
from irsa_world.live.service import Service
from irsa_world.live.sts import TokenService
from tests.world import aws_response, refusal

ROLE = "arn:aws:iam::123456789012:role/app"


@pytest.mark.parametrize("operation", ["AssumeRoleWithWebIdentity", "GetCallerIdentity"])
def test_throttling_is_waited_for(no_pauses: None, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """Protects a proof of many bindings: STS takes 600 requests per second, and says Throttling to more.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    throttled: Iterator[int] = iter(range(5))

    def throttle(**_: Any) -> Any:
        return refusal(400, "Throttling") if next(throttled, None) is not None else None

    with mock_aws():
        service = TokenService(session_for_tokens({"region": "us-west-2"}))
        for emitter in (
            service._session.events,
            service._anonymous.first.meta.events,
            service._anonymous.patient.meta.events,
        ):
            emitter.register_first(f"before-send.sts.{operation}", throttle)
        identity = service.identity("token", ROLE)

    assert next(throttled, None) is None
    assert identity.startswith("arn:aws:sts::123456789012:assumed-role/app/")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("AssumeRoleWithWebIdentity", "STS: ResponseParserError"),
        ("GetCallerIdentity", "the role was assumed, but GetCallerIdentity: ResponseParserError"),
    ],
)
def test_an_answer_that_ends_early_is_no_defect_of_irsa(
    monkeypatch: pytest.MonkeyPatch, operation: str, said: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def cut_off(**_: Any) -> Any:
        return aws_response(200, "<AssumeRoleWithWebIdentityResponse><Assum")

    with mock_aws():
        service = TokenService(session_for_tokens({"region": "us-west-2"}))
        for emitter in (service._session.events, service._anonymous.first.meta.events):
            emitter.register_first(f"before-send.sts.{operation}", cut_off)
        with pytest.raises(CouldNotLookError) as raised:
            service.identity("token", ROLE)

    assert str(raised.value) == said


class Asked(list[tuple[str, int]]):
    """Questions to a service, noted with how often each may be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.service = Service(self, "iam", Config())

    def client(self, _: str, config: Any) -> int:
        attempts: int = config.retries["total_max_attempts"]
        return attempts

    def answer(self, attempts: int) -> str:
        self.append(("answered", attempts))
        return "answer"

    def silence(self, attempts: int) -> str:
        self.append(("silent", attempts))
        raise ReadTimeoutError(endpoint_url="https://iam.amazonaws.com")


def test_a_service_that_falls_silent_is_waited_for_once() -> None:
    asked = Asked()
    assert asked.service.ask(asked.answer) == "answer"
    for question in (asked.silence, asked.answer):
        with pytest.raises(ReadTimeoutError):
            asked.service.ask(question)

    assert asked == [("answered", 2), ("silent", 10)]


def test_a_list_that_is_silent_says_nothing_of_other_questions() -> None:
    asked = Asked()
    assert asked.service.ask(asked.answer) == "answer"
    with pytest.raises(ReadTimeoutError):
        asked.service.ask_in_bulk(asked.silence)
    assert asked.service.ask(asked.answer) == "answer"
    with pytest.raises(ReadTimeoutError):
        asked.service.ask_in_bulk(asked.silence)

    # Where the next question has no answer either, in the two attempts of a first one, nobody waits any more.
    for question in (asked.silence, asked.answer):
        with pytest.raises(ReadTimeoutError):
            asked.service.ask(question)
    assert asked == [("answered", 2), ("silent", 10), ("answered", 2), ("silent", 10), ("silent", 2)]
