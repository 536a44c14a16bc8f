"""Every command that irsa advises, read back as a POSIX shell reads it, with values that would break out of it."""

import shlex
import subprocess
from collections.abc import Callable

import pytest

from irsa.rules import commands

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOSTILE = (
    "a b",
    "a;touch made",
    "$(touch made)",
    "`touch made`",
    "it's",
    'say "x"',
    "a\nb",
    "a & b",
    "",
    "*",
    "# none",
)

# One call per command, and the words that a shell must hand over; {} stands for the value.
CALLS: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "up": (commands.up, ["pulumi", "up", "--refresh", "--stack", "{}"]),
    "up_with_issuer": (commands.up_with_issuer, ["pulumi", "up", "--stack", "{}"]),
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
    "update_thumbprint": (
        commands.update_thumbprint,
        [
            *("aws", "iam", "update-open-id-connect-provider-thumbprint", "--open-id-connect-provider-arn", "{}"),
            *("--thumbprint-list", "SHA1_OF_THE_CERTIFICATE"),
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
    "list_roles": (commands.list_roles, ["aws", "iam", "list-roles", "--query", "Roles[].Arn"]),
    "wait_for_cluster": (
        lambda value: commands.wait_for_cluster(value, "eu-west-1"),
        ["aws", "eks", "wait", "cluster-active", "--name", "{}", "--region", "eu-west-1"],
    ),
    "list_arns": (lambda _: commands.list_arns("oidc-provider"), ["aws", "iam", "list-open-id-connect-providers"]),
    "read_issuer": (commands.read_issuer, ["curl", "{}/.well-known/openid-configuration"]),
    "create_token": (
        lambda value: commands.create_token("team-a", "app", value),
        ["kubectl", "create", "token", "app", "-n", "team-a", "--audience", "{}", "--duration", "10m"],
    ),
    "remove_annotation": (
        lambda value: commands.remove_annotation("team-a", "app", value),
        ["kubectl", "annotate", "serviceaccount", "app", "-n", "team-a", "{}-"],
    ),
    "restart": (
        lambda value: commands.restart("Deployment", value, "team-a", "blue"),
        ["kubectl", "rollout", "restart", "deployment/{}", "-n", "team-a"],
    ),
    "delete_pod": (
        lambda value: commands.delete_pod(value, "team-a", "again", "blue"),
        ["kubectl", "delete", "pod", "{}", "-n", "team-a"],
    ),
    "explain": (
        lambda value: commands.explain("team-a/app", "arn:r", value, ISSUER),
        ["irsa", "explain", "team-a/app", "arn:r", "--stack", "{}", "--issuer", ISSUER],
    ),
    "prove": (commands.prove, ["irsa", "prove", "{}"]),
    "check": (commands.check, [".venv/bin/irsa", "check", "{}"]),
}


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", CALLS)
def test_a_value_stays_one_word(name: str, value: str) -> None:
    """Protects who pastes a command: no value ends a word, starts another command or is expanded."""
    call, words = CALLS[name]

    assert shlex.split(call(value), comments=True) == [word.replace("{}", value) for word in words]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_shell_runs_nothing_of_a_value(value: str) -> None:
    """Protects who pastes two commands joined by &&, with a comment: a real shell sees the same words."""
    text = commands.up_with_service_account(value, value, value, False, f"{value}\ntouch made; ")
    printing = 'pulumi() { printf "<%s>" pulumi "$@"; }; kubectl() { printf "<%s>" kubectl "$@"; }\n'
    answer = subprocess.run(["sh", "-c", printing + text], capture_output=True, text=True, check=True, timeout=20)

    made = ["kubectl", "create", "serviceaccount", value, "-n", value]
    assert answer.stdout == "".join(f"<{word}>" for word in [*made, "pulumi", "up", "--refresh", "--stack", value])
    assert answer.stderr == ""


def test_a_comment_cannot_become_a_command() -> None:
    """Protects who pastes a command: a line break in what a comment names would start a command of its own."""
    for text in (commands.list_roles("b\ntouch made"), commands.remove_annotation("n", "a", "k", "c\rtouch made")):
        assert len(text.splitlines()) == 1


def test_a_value_is_not_taken_for_an_option() -> None:
    """Protects policies whose names begin with a hyphen, which IAM allows and the AWS CLI takes for an option."""
    assert commands.delete_inline_policy("r", "-p") == "aws iam delete-role-policy --role-name r --policy-name=-p"


def test_an_account_that_the_stack_makes_is_the_stacks_to_make() -> None:
    """Protects from two owners: kubectl makes an account only where the stack does not."""
    assert commands.up_with_service_account("dev", "team-a", "app", True, "blue") == "pulumi up --refresh --stack dev"
    text = "kubectl create serviceaccount app -n team-a && pulumi up --refresh --stack dev  # in cluster blue"
    assert commands.up_with_service_account("dev", "team-a", "app", False, "blue") == text
