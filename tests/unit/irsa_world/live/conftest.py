"""AWS that throttles, without the time that it takes."""

import pytest


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is sent again sent at once: without the pauses of botocore's retries and of its adaptive mode."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda bucket: None)
