"""Runs `pulumi`, which reads the backend and the states of its stacks, and makes previews."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any, TypeVar

from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError
from irsa_world.state.declared import DeclaredStack, declared_stack
from irsa_world.state.resource import OtherFormError, Resource, of_form, read_json, resources_of

T = TypeVar("T")


def read_stack(stack: str | None) -> DeclaredStack:
    """Return what a stack of the current folder's project declares.

    Raises:
        CouldNotLookError: The stack cannot be read.
    """
    return declared_stack(exported_state(stack), stack)


def exported_state(stack: str | None, folder: Path | None = None) -> list[Resource]:
    """Return the resources in the state of a stack of the project in a folder, by default the current one.

    Raises:
        CouldNotLookError: The stack cannot be read.
    """
    # Secrets stay encrypted: nothing here needs them.
    return _answer(dict, resources_of, folder, "stack", "export", *(("--stack", stack) if stack else ()))


def stacks_of_backend(folder: Path | None = None) -> dict[str, bool]:
    """Return whether each stack of the backend may have resources, by its name, as `pulumi` takes it in a folder.

    Raises:
        CouldNotLookError: The stacks cannot be listed.
    """

    def stacks(found: list[Any]) -> dict[str, bool]:
        each_stack = [of_form(dict, each, "a stack") for each in found]
        # A backend may leave the number out.
        return {of_form(str, each.get("name"), "a stack's name"): each.get("resourceCount") != 0 for each in each_stack}

    return _answer(list, stacks, folder, "stack", "ls", "--all", "--json")


def failed_up(stack: str | None) -> datetime | None:
    """Return when the first `pulumi up` of a stack of the current folder's project began that none has succeeded since.

    Of what they did change, the state has the outputs of the one before. Without a history, the last one is taken for
    done.
    """

    def failed(found: list[Any]) -> datetime | None:
        updates = (each for each in found if isinstance(each, dict) and each.get("kind") == "update")
        first = [*itertools.takewhile(lambda each: each.get("result") == "failed", updates)][-1:]
        began = of_form(str, first[0].get("startTime"), "startTime") if first else ""
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(began).astimezone(UTC)
        return None

    arguments = ("stack", "history", "--json", "--page-size", "10", *(("--stack", stack) if stack else ()))
    try:
        return _answer(list, failed, None, *arguments)
    except CouldNotLookError:
        return None


def stack_outputs(stack: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the outputs of a stack, given by its full name; a secret one is `[secret]`.

    Raises:
        CouldNotLookError: The stack cannot be read.
    """
    return _answer(dict, dict, folder, "stack", "output", "--json", "--stack", stack)


def previewed(stack: str | None, refresh: bool = False) -> tuple[str, str]:
    """Return what `pulumi preview --json` prints for a stack of the current folder's project, and why it failed.

    The reason is empty where it did not fail. With `refresh`, the preview begins with what AWS and Kubernetes have.

    Raises:
        CouldNotLookError: It prints nothing.
    """
    # With this variable it prints the engine's events, one by one.
    variables = {name: value for name, value in os.environ.items() if name != "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"}
    arguments = (*(("--refresh",) if refresh else ()), *(("--stack", stack) if stack else ()))
    answer = _run("preview", "--json", *arguments, env=variables)
    if not answer.stdout.strip():
        raise _failed("pulumi preview", answer.stderr, answer.returncode)
    # The violation of a policy, for example, is not in the JSON.
    problem = _failed("pulumi preview", answer.stderr, answer.returncode) if answer.returncode else ""
    return answer.stdout, str(problem)


def _answer(form: type, read: Callable[[Any], T], folder: Path | None, *arguments: str) -> T:
    """Return what `read` makes of the JSON that `pulumi` prints, a dict or a list."""
    answer = _run(*arguments, folder=folder)
    command = f"pulumi {arguments[0]} {arguments[1]}"
    if answer.returncode:
        raise _failed(command, answer.stderr.strip() or answer.stdout, answer.returncode)
    found = None
    try:
        with contextlib.suppress(ValueError):
            found = read_json(answer.stdout)
        if isinstance(found, form):
            return read(found)
    except OtherFormError as error:
        raise CouldNotLookError(f"{command}: {error}") from None
    what = "list" if form is list else "object"
    raise CouldNotLookError(f"{command}: it printed no JSON {what} (a wrapper's text?)")


def _run(*arguments: str, folder: Path | None = None, env: Mapping[str, str] | None = None) -> CompletedProcess[str]:
    program = shutil.which("pulumi")
    if program is None:
        raise CouldNotLookError("pulumi is not on PATH (in the sandbox of irsa: `. .sandbox/env`)")
    return run(  # noqa: S603 (the caller's own pulumi)
        [program, *arguments, "--non-interactive"], capture_output=True, text=True, check=False, cwd=folder, env=env
    )


def _failed(command: str, said: str, code: int) -> CouldNotLookError:
    message = " ".join(said.split()).removeprefix("error: ")
    if message.startswith("no Pulumi.yaml project file found"):
        # Its own message leaves the folder out: "(searching upwards from )".
        where = f"no Pulumi.yaml in {named(str(Path.cwd()))} or above it"
        return CouldNotLookError(f"{where}: run it in the folder of your Pulumi project")
    if "pass the fully qualified name" in message:
        # What it says of a name alone where it finds no project.
        fix = "run it where Pulumi.yaml is, or write --stack organization/PROJECT/STACK"
        return CouldNotLookError(f"irsa does not know the project of the stack: {fix}")
    advice = "; `pulumi stack ls` lists the stacks" if message.startswith("no stack named") else ""
    return CouldNotLookError(f"{command}: {named(message) if message else f'exit code {code}'}{advice}")
