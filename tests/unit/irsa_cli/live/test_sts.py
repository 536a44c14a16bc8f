"""Asking STS for the session of a token, where many are asked for at a time."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from irsa_cli.live.sts import TokenService
from tests.unit.irsa_cli.live.test_iam_in_bulk import refusal

ROLE = "arn:aws:iam::123456789012:role/app"


@pytest.mark.parametrize("operation", ["AssumeRoleWithWebIdentity", "GetCallerIdentity"])
def test_throttling_is_waited_for(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """Protects a proof of many bindings: STS takes 600 requests per second, and says Throttling to more.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    throttled: Iterator[int] = iter(range(5))

    def throttle(**_: Any) -> Any:
        return refusal(400, "Throttling") if next(throttled, None) is not None else None

    with mock_aws():
        service = TokenService("us-west-2")
        for emitter in (
            service._session.events,
            service._anonymous.first.meta.events,
            service._anonymous.patient.meta.events,
        ):
            emitter.register_first(f"before-send.sts.{operation}", throttle)
        identity = service.identity("token", ROLE)

    assert next(throttled, None) is None
    assert identity.startswith("arn:aws:sts::123456789012:assumed-role/app/")
