"""What `irsa explain` says of a guard."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.exits import NoPermissionError
from irsa_cli.live.model import Guarded
from irsa_cli.main import main
from tests.fuzz.live_states import ROLE, State
from tests.fuzz.test_live_states import live

GUARDS = {("web", "app"): [Guarded("irsa-prod", "deny", ROLE), Guarded("x; do", "warn", ROLE)]}


BY_TWO = f"""\
stack irsa-prod refuses new Pods without the identity for {ROLE}; \
stack "x; do" warns of new Pods without the identity for {ROLE}"""
DENIED = "list validatingadmissionpolicybindings: forbidden"


@pytest.mark.parametrize(
    ("guards", "said"),
    [
        ({("web", "other"): GUARDS["web", "app"]}, ""),
        (GUARDS, BY_TWO),
        (
            {("web", ""): [Guarded("other")]},
            "whether stack other guards it is not known: no permission to read its ConfigMap",
        ),
        (
            NoPermissionError(DENIED),
            f"whether the API server refuses Pods without their identity is not known: {DENIED}",
        ),
    ],
)
@pytest.mark.usefixtures("deployed")
def test_which_stack_guards_it_and_how(guards: Any, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Protects who looks for the reason of a refused Pod, or for one that started without its role."""

    def guards_of(_: Any) -> Any:
        if isinstance(guards, Exception):
            raise guards
        return guards

    monkeypatch.setattr("irsa_cli.guard.live.guards_of", guards_of)
    main(["explain", "web/app"])
    page = " ".join(capsys.readouterr().out.split())
    main(["explain", "web/app", "--json"])

    assert json.loads(capsys.readouterr().out)["guard"] == said
    assert ("guard: " in page, f"guard: {said}" in page) == (bool(said), bool(said))


@pytest.fixture
def deployed(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that admits web/app, and its cluster."""
    live(state, tmp_path, monkeypatch)
