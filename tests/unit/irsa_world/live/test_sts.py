"""Asking STS for the session of a token, where many are asked for at a time."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import session_for_tokens
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
        for emitter in (service._session.events, service._anonymous.client.meta.events):
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
        for emitter in (service._session.events, service._anonymous.client.meta.events):
            emitter.register_first(f"before-send.sts.{operation}", cut_off)
        with pytest.raises(CouldNotLookError) as raised:
            service.identity("token", ROLE)

    assert str(raised.value) == said
