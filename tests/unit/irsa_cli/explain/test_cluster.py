"""Which cluster `irsa explain` reads, and what it says where that has no such service account."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.exits import NoPermissionError
from irsa_cli.live.kubernetes import ClusterClient
from irsa_cli.main import main
from tests.fuzz.live_states import ISSUER, ROLE, State
from tests.fuzz.test_live_states import live

GREEN = "https://oidc.eks.us-west-2.amazonaws.com/id/GREEN"


@pytest.fixture
def explain(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def explained(*words: str) -> tuple[int, str, str]:
        live(state, tmp_path, monkeypatch)
        code = main(["explain", "web/app", ROLE, *words])
        said = capsys.readouterr()
        return code, " ".join(said.out.split()), said.err

    return explained


@pytest.mark.parametrize(
    ("stack", "fix"),
    [
        ([], "choose a context of that cluster, or pass --audience too, and no cluster is read"),
        (["--stack", "dev"], "pass --audience too, and no cluster is read"),
    ],
)
def test_another_cluster_than_that_of_the_issuer_is_not_read(
    state: State, explain: Any, stack: list[str], fix: str
) -> None:
    """Protects the cluster of the current context: an answer for GREEN has nothing of BLUE, nor a command."""
    state.annotations = {}
    code, out, err = explain("--issuer", GREEN, *stack)
    found = f"the cluster of context {state.context} has the issuer {ISSUER}, not {GREEN}"

    assert (code, out, err) == (2, "", f"irsa explain: {found}: {fix}\n")
    assert explain("--issuer", ISSUER, *stack)[0] == 0
    # As it advises: without a cluster, it is the trust policy's answer alone.
    assert explain("--issuer", GREEN, "--audience", "sts.amazonaws.com", *stack)[0] == 1


@pytest.mark.parametrize(
    ("there", "near"),
    [
        (["web:default"], ""),
        (["web:ap", "web:default", "other:app"], "; did you mean web/ap?"),
        (["web:default", "weeb:app", "zz:app"], "; did you mean weeb/app?"),
    ],
)
def test_no_such_service_account_is_said_first(state: State, explain: Any, there: list[str], near: str) -> None:
    """Protects from a good answer to a typo: nobody gets a token of a service account that does not exist."""
    state.annotations, state.service_accounts = None, there
    code, page, _ = explain()
    _, document, _ = explain("--json")
    answer, missing = json.loads(document), f"there is no service account web/app in context {state.context}{near}"

    assert code == 1
    assert page.startswith(
        f"missing: the trust policy would allow it, but {missing} trust policy: allowed: web/app may assume "
    )
    assert (answer["missing"], answer["good"], answer["decision"]) == (missing, False, "allowed")
    assert page.endswith("by default: the audience sts.amazonaws.com, because there is no annotation to read")
    # A given audience changes nothing of it.
    assert explain("--audience", "sts.amazonaws.com")[0] == 1


def test_who_is_denied_and_missing_is_told_both(state: State, explain: Any) -> None:
    """Protects from half an answer: to create the service account does not help where the role refuses it."""
    assert state.live_role
    state.annotations = None
    state.live_role["AssumeRolePolicyDocument"]["Statement"] = []
    code, page, _ = explain()

    assert code == 1
    assert page.startswith(f"missing: there is no service account web/app in context {state.context}")
    assert " trust policy: denied: " in page


def test_a_cluster_that_lists_nothing_is_still_answered(
    state: State, explain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects who may get service accounts and not list them: the near name is missing, and not the answer."""

    def denied(*_: Any) -> list[str]:
        raise NoPermissionError("list serviceaccounts: forbidden")

    monkeypatch.setattr(ClusterClient, "service_accounts", denied)
    state.annotations = None
    code, page, _ = explain()

    assert (code, "did you mean" in page) == (1, False)
    assert page.startswith("missing: ")
