"""What `irsa explain` says of a cluster, a stack and an AWS account: the role, the annotation, the service account.

The webhook reads the annotation alone: https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html
"""

import shlex
from typing import Any

import pytest

from irsa_world.exits import NoPermissionError
from irsa_world.live.kubernetes import ClusterClient
from irsa_world.model import Guarded
from irsa_world.verdict import EMPTY_AUDIENCE
from tests.fuzz.live_states import ISSUER, ROLE, State

KEY, AUDIENCE = "eks.amazonaws.com/role-arn", "eks.amazonaws.com/audience"
OTHER, UPPER = "arn:aws:iam::111122223333:role/other", ROLE.replace("app", "APP")
GREEN = "https://oidc.eks.us-west-2.amazonaws.com/id/GREEN"
WANTED = f"expected: {KEY}: {ROLE}"


def component(state: State) -> Any:
    return next(each for each in state.exported["deployment"]["resources"] if "outputs" in each)


def statements(state: State) -> list[Any]:
    assert state.live_role
    found: list[Any] = state.live_role["AssumeRolePolicyDocument"]["Statement"]
    return found


# --- The annotation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("annotations", [{}, {KEY: ""}])
def test_a_missing_annotation_is_said_with_the_command_that_sets_it(
    state: State, explain: Any, annotations: dict[str, str]
) -> None:
    state.annotations = annotations
    said, answer = explain(ROLE), explain(ROLE, "--json").json

    assert (said.code, answer["annotation"]) == (0, f"it has no {KEY}, so its Pods get no credentials")
    assert f"annotation: web/app found: {answer['annotation']} {WANTED} do: {answer['fix']} " in said.page
    # One line, to be copied.
    assert f"\n    do:       {answer['fix']}\n" in said.out
    assert shlex.split(answer["fix"]) == [
        *("kubectl", "annotate", "serviceaccount", "app", "-n", "web", "--context", state.context, "--overwrite"),
        f"{KEY}={ROLE}",
    ]


@pytest.mark.parametrize(
    "misspelled", ["eks.amazonaws.com/role-arm", "eks.amazonaws.com/rolearn", "eks.amazon.com/role-arn"]
)
def test_a_misspelled_annotation_is_corrected(state: State, explain: Any, misspelled: str) -> None:
    state.annotations = {misspelled: ROLE}

    assert shlex.split(explain(ROLE, "--json").json["fix"])[-2:] == [f"{KEY}={ROLE}", f"{misspelled}-"]


def test_another_role_is_said_and_left(state: State, explain: Any) -> None:
    state.annotations = {KEY: OTHER}
    answer = explain(ROLE, "--json").json

    assert (OTHER in answer["annotation"], answer["fix"]) == (True, "")
    assert f"found: {answer['annotation']} {WANTED} statement 1" in explain(ROLE).page


def test_an_empty_role_is_no_missing_one(explain: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        explain("")
    assert "the value is empty" in capsys.readouterr().err


def test_of_a_stack_the_stack_restores_it(state: State, explain: Any) -> None:
    state.annotations = {}

    assert "pulumi up " in explain(ROLE, "--stack", "dev", "--json").json["fix"]


def test_who_is_denied_gets_no_command(state: State, explain: Any) -> None:
    state.annotations = {}
    statements(state).clear()
    answer = explain(ROLE, "--json")

    assert (answer.code, answer.json["fix"], KEY in answer.json["annotation"]) == (1, "", True)


@pytest.mark.parametrize("words", [(ROLE,), (ROLE, "--stack", "dev")])
def test_an_empty_audience_is_said_and_removed(state: State, explain: Any, words: tuple[str, ...]) -> None:
    state.annotations = {KEY: ROLE, AUDIENCE: ""}
    said, answer = explain(*words), explain(*words, "--json").json
    context = "" if "--stack" in words else f" --context {state.context}"

    # `irsa inventory` says not-admitted of it.
    assert (said.code, answer["annotation"]) == (1, EMPTY_AUDIENCE)
    assert f"{ROLE}: its {AUDIENCE} is empty" in said.page
    assert answer["fix"] == f"kubectl annotate serviceaccount app -n web{context} {AUDIENCE}-"


@pytest.mark.parametrize("annotations", [{KEY: ROLE}, None])
def test_the_right_annotation_needs_no_word(state: State, explain: Any, annotations: dict[str, str] | None) -> None:
    state.annotations = annotations

    assert "annotation:" not in explain(ROLE).out


@pytest.mark.parametrize(
    ("annotations", "code", "first"),
    [
        ({KEY: ROLE}, 0, f"allowed: web/app may assume {ROLE}: "),
        ({}, 1, f"denied: web/app may not assume a role: it has no {KEY}"),
        ({KEY: OTHER}, 1, f"denied: web/app may not assume {OTHER}: there is no such role"),
        ({KEY: UPPER}, 1, f"denied: web/app may not assume {UPPER}: there is no such role; one of that name is {ROLE}"),
        ({KEY: "app"}, 1, "denied: web/app may not assume app: 'app': not an ARN"),
        (None, 1, "missing: there is no service account web/app in context context"),
    ],
)
def test_without_a_role_it_is_about_the_annotated_one(
    state: State, explain: Any, annotations: dict[str, str] | None, code: int, first: str
) -> None:
    state.annotations = annotations
    said, answer = explain("--audience", "sts.amazonaws.com"), explain("--json").json

    assert (said.code, said.page.startswith(first)) == (code, True), said.page
    assert (answer["good"], answer["role"]) == (code == 0, (annotations or {}).get(KEY, ""))


# --- The cluster -----------------------------------------------------------------------------------------------------


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
    state.annotations = {}
    said = explain(ROLE, "--issuer", GREEN, *stack)

    assert (said.code, said.out) == (2, "")
    assert said.err.endswith(f"has the issuer {ISSUER}, not {GREEN}: {fix}\n")
    assert explain(ROLE, "--issuer", ISSUER, *stack).code == 0
    # As it advises: without a cluster, it is the trust policy's answer alone.
    assert explain(ROLE, "--issuer", GREEN, "--audience", "sts.amazonaws.com", *stack).code == 1


@pytest.mark.parametrize(
    ("there", "near"),
    [
        (["web:default"], ""),
        (["web:ap", "web:default", "other:app"], "; did you mean web/ap?"),
        (["web:default", "weeb:app", "zz:app"], "; did you mean weeb/app?"),
    ],
)
def test_no_such_service_account_is_said_first(state: State, explain: Any, there: list[str], near: str) -> None:
    state.annotations, state.service_accounts = None, there
    said, answer = explain(ROLE), explain(ROLE, "--json").json
    missing = f"there is no service account web/app in context {state.context}{near}"

    assert said.code == 1
    assert said.page.startswith(f"missing: the trust policy would allow it, but {missing} trust policy: allowed: ")
    assert "by default: the audience sts.amazonaws.com" in said.page
    assert (answer["missing"], answer["good"], answer["decision"]) == (missing, False, "allowed")
    # A given audience changes nothing of it.
    assert explain(ROLE, "--audience", "sts.amazonaws.com").code == 1


def test_who_is_denied_and_missing_is_told_both(state: State, explain: Any) -> None:
    state.annotations = None
    statements(state).clear()
    said = explain(ROLE)

    assert said.code == 1
    assert said.page.startswith(f"missing: there is no service account web/app in context {state.context}")
    assert " trust policy: denied: " in said.page


def test_a_cluster_that_lists_nothing_is_still_answered(
    state: State, explain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any) -> list[str]:
        raise NoPermissionError("list serviceaccounts: forbidden")

    monkeypatch.setattr(ClusterClient, "service_accounts", denied)
    state.annotations = None
    said = explain(ROLE)

    assert (said.code, "did you mean" in said.page) == (1, False)
    assert said.page.startswith("missing: ")


# --- The role --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "binding"),
    [(["app", "--stack", "dev"], "app"), ([ROLE, "--stack", "dev"], ""), (["app"], ""), ([ROLE], "")],
)
def test_a_role_is_found_by_arn_by_name_and_by_key(explain: Any, words: list[str], binding: str) -> None:
    answer = explain(*words, "--json").json

    assert (answer["role"], answer["binding"], answer["decision"]) == (ROLE, binding, "allowed")


def test_a_key_takes_precedence_over_a_role_of_its_name(state: State, explain: Any) -> None:
    component(state)["outputs"]["roleArn"] = OTHER
    assert state.live_role
    state.live_role["Arn"] = OTHER
    said = explain("app", "--stack", "dev")

    assert (said.code, said.out.startswith(f"allowed: web/app may assume {OTHER}: ")) == (0, True)
    assert "\nbinding   app\nsub  " in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["apq"], "has no role apq, and a binding's key needs --stack"),
        (["apq", "--stack", "dev"], "has no role apq, and stack dev no binding of that key; did you mean 'app'?"),
        (["other", "--stack", "dev"], "has no role other, and stack dev no binding of that key"),
        ([ROLE], f"{ROLE}: there is no such role"),
    ],
)
def test_what_is_neither_a_role_nor_a_key_is_said(state: State, explain: Any, words: list[str], said: str) -> None:
    state.live_role = None
    answer = explain(*words)

    assert (answer.code, answer.err.endswith(f"{said}\n")) == (2, True), answer.err


def test_a_binding_whose_role_is_a_secret_is_said(state: State, explain: Any) -> None:
    component(state)["outputs"]["roleArn"] = {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "x"}
    answer = explain("app", "--stack", "dev")

    assert (answer.code, answer.err.startswith("irsa explain: the binding app: ")) == (2, True)


# --- A guard ---------------------------------------------------------------------------------------------------------

GUARDS = {("web", "app"): [Guarded("irsa-prod", "deny", ROLE), Guarded("x; do", "warn", ROLE)]}


@pytest.mark.parametrize(
    ("guards", "parts"),
    [
        ({("web", "other"): GUARDS["web", "app"]}, []),
        (GUARDS, [f"stack irsa-prod refuses new Pods without the identity for {ROLE}", 'stack "x; do" warns']),
        ({("web", ""): [Guarded("other")]}, ["whether stack other guards it is not known"]),
        (NoPermissionError("list bindings: forbidden"), ["is not known: list bindings: forbidden"]),
    ],
)
def test_which_stack_guards_it_and_how(
    guards: Any, parts: list[str], explain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guards_of(_: Any) -> Any:
        if isinstance(guards, Exception):
            raise guards
        return guards

    monkeypatch.setattr("irsa_world.live.guards.guards_of", guards_of)
    page, said = explain().page, explain("--json").json["guard"]

    assert bool(said) is bool(parts)
    assert all(part in said for part in parts)
    assert (f"guard: {said}" in page) is bool(parts)
