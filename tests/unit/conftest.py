"""moto as the sandbox runs it."""

import pytest

from sandbox.faster_moto import replacements


@pytest.fixture
def faster_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto with what the sandbox replaces for its speed; its classes are as before after the test."""
    for owner, name, replacement in replacements():
        monkeypatch.setattr(owner, name, replacement)
