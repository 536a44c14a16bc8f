"""moto as the sandbox runs it."""

import pytest

from sandbox.faster_moto import replacements
from sandbox.pod_identity import add_pod_identity


@pytest.fixture
def faster_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto with what the sandbox replaces for its speed; its classes are as before after the test."""
    for owner, name, replacement in replacements():
        monkeypatch.setattr(owner, name, replacement)


@pytest.fixture
def pod_identity(faster_moto: None) -> None:
    """EKS with Pod Identity associations and add-ons, which moto's classes keep: nothing else of them changes."""
    add_pod_identity()
