"""The settings of the running stack."""

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi

from config.loading import StackFileError, examine
from config.located_mistake import LocatedMistake
from config.models import Stack
from config.project_file import stack_folder
from config.provider_settings import ACCOUNT_LISTS, account_id_mistakes
from config.scalars import parsed
from config.stack_file import StackFile, located
from irsa.rules import commands
from irsa.rules.mistakes import path_of


def load_settings(folder: Path) -> Stack:
    """Return the settings of the running stack; file paths in them are relative to the folder.

    Raises:
        pulumi.RunError: All mistakes of the stack file, or a sandbox that is not running.
    """
    values, file = _values(), _stack_file(folder)
    meant, wrong = _as_meant(values, file)
    examination = examine(meant, folder, pulumi.Config("aws").get("region"))
    settings, mistakes = examination.stack, [*wrong, *examination.mistakes, *_mistakes_in_account_ids()]
    if settings is None or mistakes:
        hint = f"\nto check it without the engine: {commands.check(file.name)}" if file else ""
        raise pulumi.RunError(f"{refusal(mistakes, folder)}{hint}")
    for key in sorted(values):
        if pulumi.runtime.is_config_secret(f"{pulumi.get_project()}:{key}"):
            pulumi.log.warn(
                f"irsa:{path_of((key,))} is secret, "
                "but names, ARNs and documents are plain text in AWS and in the state"
            )
    for text in examination.not_checked:
        pulumi.log.warn(f"not checked: {text}")
    for warning in placed(examination.warnings, folder):
        # The component reports the sizes itself, with the real issuer.
        if warning.rule != "near-limit":
            pulumi.log.warn(f"{warning.where}: {warning.mistake.found}; {warning.mistake.fix} [{warning.rule}]")
    if settings.sandbox:
        _require_sandbox()
    return settings


def refusal(mistakes: Iterable[LocatedMistake], folder: Path) -> pulumi.RunError:
    """Return the error that reports the mistakes, with their lines where the stack file can be read."""
    file = _stack_file(folder)
    return pulumi.RunError(str(StackFileError(placed(mistakes, folder), file.name if file else None)))


def placed(mistakes: Iterable[LocatedMistake], folder: Path) -> list[LocatedMistake]:
    """Return the mistakes with their lines, where the stack file can be read."""
    found = list(mistakes)
    file = _stack_file(folder) if found else None
    return located(found, file, _as_meant(_values(), file)[0]) if file else found


def _stack_file(folder: Path) -> StackFile | None:
    """Return the stack file, for the lines of mistakes; None where it is elsewhere (`--config-file`)."""
    name = os.path.normpath(f"{stack_folder(folder)}/Pulumi.{pulumi.get_stack()}.yaml")
    try:
        return StackFile(folder / name, name)
    except OSError:
        return None


def _as_meant(values: dict[str, Any], file: StackFile | None) -> tuple[dict[str, Any], list[LocatedMistake]]:
    """Return the values with the strings that lack quotes in the stack file as they are meant, and its mistakes.

    Values that are not from that file stay as they are: those of `--config-file`, or of Pulumi ESC.
    """
    if file is None or not file.mistakes:
        return values, []
    same = {name for name in file.settings if name in values and values[name] == file.as_sent(name)}
    wrong = [mistake for mistake in file.mistakes if mistake.place and mistake.place[0] in same]
    return {**values, **{name: file.settings[name] for name in same}}, wrong


def _values() -> dict[str, Any]:
    """Return the project's values, as the language host passes them, in the SDK or in the environment."""
    prefix = f"{pulumi.get_project()}:"
    config = pulumi.runtime.config
    values = {}
    for key, text in {**config.get_config_env(), **config.CONFIG.get()}.items():
        if key.startswith(prefix):
            values[key.removeprefix(prefix)] = parsed(text)
    return values


def _mistakes_in_account_ids() -> Iterator[LocatedMistake]:
    for setting in ACCOUNT_LISTS:
        values = parsed(pulumi.Config("aws").get(setting) or "[]")
        for _, mistake in account_id_mistakes(setting, values):
            yield LocatedMistake((), mistake)


def _require_sandbox() -> None:
    """Stop unless the AWS API in use is the sandbox's and answers.

    Raises:
        pulumi.RunError: One line with the command that starts it.
    """
    address = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    if "IRSA_SANDBOX" not in os.environ or address.hostname is None:
        raise pulumi.RunError(
            f"stack {pulumi.get_stack()!r} is for the sandbox only: "
            "run `make up` once, then `. .sandbox/env` in this shell"
        )
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=5).close()
    except OSError:
        raise pulumi.RunError("the sandbox is not running: start it with `make up`") from None
