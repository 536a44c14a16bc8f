import shlex
import subprocess
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jmespath
from botocore import xform_name

from sandbox.layout import REGION
from tests.output_schemas import check_output
from tests.sandbox.project import STACK, Project

ROLE_ARN = "eks.amazonaws.com/role-arn"
ACCOUNT = "111122223333"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"


def irsa(project: Project, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a subcommand on the project's stack, as a person would; never a traceback."""
    answer: subprocess.CompletedProcess[str] = project.cloud.run(
        "irsa", *arguments, folder=project.folder, **{**project.variables, **variables}
    )
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer


def report(project: Project, subcommand: str, *arguments: str, **variables: str) -> tuple[int, list[dict[str, str]]]:
    """Return a subcommand's exit code and its checks; its output must match the published schema."""
    answer = irsa(project, subcommand, "--stack", STACK, "--json", *arguments, **variables)
    assert answer.stdout, answer.stderr
    checks: list[dict[str, str]] = check_output(subcommand, answer.stdout)["checks"]
    return answer.returncode, checks


def checked(project: Project, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `irsa check --live`, and what it says of the project's stack file."""
    answer = irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml", "--json", **variables)
    assert answer.stdout, answer.stderr
    (file,) = check_output("check", answer.stdout)["files"]
    assert bool(file["errors"]) == (answer.returncode == 1), answer.stdout
    return answer.returncode, file


def not_good(checks: list[dict[str, str]]) -> list[dict[str, str]]:
    return [check for check in checks if check["outcome"] not in ("ok", "unproven", "not checked")]


def follow(project: Project, command: str, profiles: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Do what a finding advises. The AWS command line is not at hand: its commands are operations of IAM and EKS."""
    for part in command.partition("  #")[0].split(" && "):
        words = shlex.split(part)
        if words[0] == "aws":
            aws_iam(project.cloud, words[2:], words[1], profiles)
        else:
            # Without a terminal, `pulumi up` wants to be told.
            words += ["--yes"] if words[:2] == ["pulumi", "up"] else []
            answer = project.cloud.run(*words, folder=project.folder, **project.variables)
            assert answer.returncode == 0, answer.stdout + answer.stderr


def aws_iam(
    cloud: Any, words: list[str], service: str = "iam", profiles: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Return what `aws iam`, or `aws eks`, answers to an operation with its options, or what its --query selects."""
    operation, *options = words
    given = dict(zip(options[::2], options[1::2], strict=True))
    credentials = profiles[given.pop("--profile")] if "--profile" in given else None
    client = cloud.aws(service, credentials, given.pop("--region", REGION))
    model = client.meta.service_model
    name = next(name for name in model.operation_names if xform_name(name, "-") == operation)
    members = {
        xform_name(member, "-"): (member, shape)
        for member, shape in model.operation_model(name).input_shape.members.items()
    }
    query, values = given.pop("--query", "@"), {}
    for option, value in given.items():
        member, shape = members[option.removeprefix("--")]
        values[member] = [value] if shape.type_name == "list" else value
    return jmespath.search(query, getattr(client, xform_name(name))(**values))
