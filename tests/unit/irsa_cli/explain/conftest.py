"""What the tests of `irsa explain` look at."""

from pathlib import Path

import pytest

from tests.fuzz.live_states import State
from tests.unit.irsa_cli.test_hostile_text import calm_number


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """Return a state in which the role `app` admits web/app."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return State(0, calm_number())
