"""The settings of the stack that runs."""

import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi

from config.loading import StackFileError, load
from config.models import Stack


def load_settings(folder: Path) -> Stack:
    """Give the settings of the running stack; file paths in them are relative to the folder.

    Raises:
        pulumi.RunError: All mistakes of the stack file, or a sandbox that does not run.
    """
    try:
        settings = load(_values(), folder)
    except StackFileError as error:
        raise pulumi.RunError(str(error)) from None
    if settings.sandbox:
        _require_sandbox()
    return settings


def _values() -> dict[str, Any]:
    """Give the project's values, as the engine hands them to the program."""
    prefix = f"{pulumi.get_project()}:"
    values = {}
    for key, text in pulumi.runtime.config.CONFIG.get().items():
        if key.startswith(prefix):
            values[key.removeprefix(prefix)] = _parsed(text)
    return values


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _require_sandbox() -> None:
    """Refuse to go on unless the AWS API in use is the sandbox's and answers.

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
        raise pulumi.RunError("the sandbox does not run: start it with `make up`") from None
