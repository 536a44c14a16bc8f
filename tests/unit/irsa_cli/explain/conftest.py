"""What the tests of `irsa explain` look at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irsa_cli.main import main
from tests.fuzz.live_states import State, live
from tests.output_schemas import check_output


class Said(NamedTuple):
    """What `irsa explain` ended with and printed; its page is on one line."""

    code: int
    out: str
    err: str

    @property
    def page(self) -> str:
        return " ".join(self.out.split())

    @property
    def json(self) -> Any:
        return check_output("explain", self.out)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """Return a state in which the role `app` admits web/app, and is that of the binding `app`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return State()


@pytest.fixture
def explain(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Return a function that explains web/app, as the state is then."""

    def explained(*words: str) -> Said:
        live(state, tmp_path, monkeypatch)
        return Said(main(["explain", "web/app", *words]), *capsys.readouterr())

    return explained
