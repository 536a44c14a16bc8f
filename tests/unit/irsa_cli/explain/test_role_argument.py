"""The ways to name a role for `irsa explain`: by its ARN, by its name, and by a binding's key in a stack."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from irsa_cli.main import main
from tests.fuzz.live_states import ROLE, State
from tests.fuzz.test_live_states import live
from tests.unit.irsa_cli.test_hostile_text import calm_number

OTHER = "arn:aws:iam::111122223333:role/other"
Ready = Callable[[State], None]


@pytest.fixture
def state() -> State:
    """Return a state that is as declared: the binding `app`, with a role `app`."""
    return State(0, calm_number())


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return lambda state: live(state, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("words", "binding"),
    [(["app", "--stack", "dev"], "app"), ([ROLE, "--stack", "dev"], ""), (["app"], ""), ([ROLE], "")],
)
def test_a_role_is_found_by_arn_by_name_and_by_key(
    state: State, ready: Ready, capsys: pytest.CaptureFixture[str], words: list[str], binding: str
) -> None:
    """Protects who knows one of the three: the role is the same, and the answer says where a key stood for it."""
    ready(state)
    assert main(["explain", "web/app", *words, "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert (answer["role"], answer["binding"], answer["decision"]) == (ROLE, binding, "allowed")


def test_a_key_takes_precedence_over_a_role_of_its_name(
    state: State, ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects from another role's answer: the binding `app` has the role `other`, whatever a role `app` is."""
    component = next(each for each in state.exported["deployment"]["resources"] if "outputs" in each)
    component["outputs"]["roleArn"] = OTHER
    assert state.live_role
    state.live_role["Arn"] = OTHER
    ready(state)
    assert main(["explain", "web:app", "app", "--stack", "dev"]) == 0

    said = capsys.readouterr().out
    assert said.startswith(f"allowed: web/app may assume {OTHER}: ")
    assert "\nbinding   app\nsub  " in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["apq"], "AWS account 111122223333 has no role apq, and a binding's key needs --stack"),
        (
            ["apq", "--stack", "dev"],
            "AWS account 111122223333 has no role apq, and stack dev no binding of that key; did you mean 'app'?",
        ),
        (
            ["other", "--stack", "dev"],
            "AWS account 111122223333 has no role other, and stack dev no binding of that key",
        ),
        ([ROLE], f"{ROLE}: there is no such role"),
    ],
)
def test_what_is_neither_a_role_nor_a_key_is_said(
    state: State, ready: Ready, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Protects who misspells it: what was looked for, and where, and the key that is near."""
    state.live_role = None
    ready(state)

    assert main(["explain", "web/app", *words]) == 2
    assert capsys.readouterr().err == f"irsa explain: {said}\n"


def test_a_binding_whose_role_is_a_secret_is_said(
    state: State, ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects secrets: a role that the state keeps as one is not looked for under the binding's key."""
    component = next(each for each in state.exported["deployment"]["resources"] if "outputs" in each)
    component["outputs"]["roleArn"] = {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "x"}
    ready(state)

    assert main(["explain", "web/app", "app", "--stack", "dev"]) == 2
    assert capsys.readouterr().err.startswith("irsa explain: the binding app: ")
