"""What `irsa explain` says of a service account's annotation, without which no Pod asks for the role.

The webhook reads the annotation alone: https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from irsa_cli.verdict import EMPTY_AUDIENCE
from tests.fuzz.live_states import ROLE, State
from tests.fuzz.test_live_states import live

SAID = f"annotation: web/app found: {{}} expected: eks.amazonaws.com/role-arn: {ROLE}"
KEY = "eks.amazonaws.com/role-arn"
OTHER = "arn:aws:iam::111122223333:role/other"


@pytest.fixture
def explain(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def explained(annotations: dict[str, str] | None, *words: str) -> tuple[int, str]:
        state.annotations = annotations
        live(state, tmp_path, monkeypatch)
        code = main(["explain", "web/app", *(words or [ROLE])])
        return code, capsys.readouterr().out

    return explained


def beginning(page: str) -> str:
    """Return what stands before the statements of the trust policy, on one line."""
    return " ".join(page.partition("\nstatement 1")[0].partition("\n\n")[0].split())


@pytest.mark.parametrize("annotations", [{}, {KEY: ""}])
def test_a_missing_annotation_is_said_with_the_command_that_sets_it(
    state: State, explain: Any, annotations: dict[str, str]
) -> None:
    """Protects a newcomer whose trust policy is right: without the annotation the Pods still get nothing."""
    code, page = explain(annotations)
    _, document = explain(annotations, ROLE, "--json")

    answer = json.loads(document)
    command, said = answer["fix"], answer["annotation"]
    assert (code, said) == (0, f"it has no {KEY}, so its Pods get no credentials")
    assert beginning(page).endswith(f"{SAID.format(said)} do: {command}")
    assert f"\n    do:       {command}\n" in page
    assert shlex.split(command) == [
        *("kubectl", "annotate", "serviceaccount", "app", "-n", "web", "--context", state.context, "--overwrite"),
        f"{KEY}={ROLE}",
    ]


@pytest.mark.parametrize(
    "misspelled", ["eks.amazonaws.com/role-arm", "eks.amazonaws.com/rolearn", "eks.amazon.com/role-arn"]
)
def test_a_misspelled_annotation_is_corrected(explain: Any, misspelled: str) -> None:
    """Protects who pastes the command: the key that the webhook reads is set, and the misspelled one is gone."""
    answer = json.loads(explain({misspelled: ROLE}, ROLE, "--json")[1])

    assert shlex.split(answer["fix"])[-2:] == [f"{KEY}={ROLE}", f"{misspelled}-"]


def test_another_role_is_said_and_left(explain: Any) -> None:
    """Protects a service account at work: which of two roles it needs is for its owner to say."""
    _, page = explain({KEY: OTHER})

    assert beginning(page).endswith(SAID.format(f"it has the {KEY} {OTHER}, so its Pods ask for that role"))


def test_an_empty_role_is_no_missing_one(explain: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a script whose variable is unset: it would be told of the role of the annotation instead."""
    with pytest.raises(SystemExit, match="2"):
        explain({KEY: ROLE}, "")
    assert "the value is empty" in capsys.readouterr().err


def test_of_a_stack_the_stack_restores_it(explain: Any) -> None:
    """Protects from drift: what the stack declares is not written by hand."""
    _, page = explain({}, ROLE, "--stack", "dev")

    assert " pulumi up " in beginning(page)


def test_who_is_denied_gets_no_command(state: State, explain: Any) -> None:
    """Protects from an annotation that would help nobody: the role refuses the service account first."""
    assert state.live_role
    state.live_role["AssumeRolePolicyDocument"]["Statement"] = []
    code, page = explain({})

    assert code == 1
    assert beginning(page).endswith(SAID.format(f"it has no {KEY}, so its Pods get no credentials"))


@pytest.mark.parametrize("words", [(ROLE,), (ROLE, "--stack", "dev")])
def test_an_empty_audience_is_said_and_removed(state: State, explain: Any, words: tuple[str, ...]) -> None:
    """Protects Pods whose token is for the API server: the role's annotation is there, and the other one is wrong."""
    audience = "eks.amazonaws.com/audience"
    code, page = explain({KEY: ROLE, audience: ""}, *words)

    context = "" if "--stack" in words else f" --context {state.context}"
    command = f"kubectl annotate serviceaccount app -n web{context} {audience}-"
    expected = "no such annotation, or an audience"
    # `irsa inventory` says not-admitted of it.
    assert (code, f"{ROLE}: its eks.amazonaws.com/audience is empty" in beginning(page)) == (1, True)
    assert beginning(page).endswith(f"found: {EMPTY_AUDIENCE} expected: {expected} do: {command}")


def test_the_right_annotation_needs_no_word(explain: Any) -> None:
    """Protects the reader: what is as it should be is not mentioned."""
    assert "annotation:" not in explain({KEY: ROLE})[1]
    assert "annotation:" not in explain(None)[1]


UPPER = ROLE.replace("app", "APP")


@pytest.mark.parametrize(
    ("annotations", "code", "first"),
    [
        ({KEY: ROLE}, 0, f"allowed: web/app may assume {ROLE}: statement 1 allows it, and no statement denies it"),
        ({}, 1, "denied: web/app may not assume a role: it has no eks.amazonaws.com/role-arn, so its Pods get no cred"),
        ({KEY: OTHER}, 1, f"denied: web/app may not assume {OTHER}: there is no such role"),
        ({KEY: UPPER}, 1, f"denied: web/app may not assume {UPPER}: there is no such role; one of that name is {ROLE}"),
        ({KEY: "app"}, 1, "denied: web/app may not assume app: 'app': not an ARN"),
        (None, 1, "missing: there is no service account web/app in context context"),
    ],
)
def test_without_a_role_it_is_about_the_annotated_one(
    explain: Any, annotations: dict[str, str] | None, code: int, first: str
) -> None:
    """Protects who asks what the Pods of a service account get: no ARN to look up first, and each answer is one."""
    found, page = explain(annotations, "--audience", "sts.amazonaws.com")
    as_json = json.loads(explain(annotations, "--json")[1])

    assert (found, " ".join(page.split("\nstatement 1")[0].split()).startswith(first)) == (code, True), page
    assert (as_json["good"], as_json["role"]) == (code == 0, (annotations or {}).get(KEY, ""))
