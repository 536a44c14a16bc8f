"""The component's package, which every subcommand needs.

The command's metadata does not name it: on PyPI, `irsa` is another project. Both come from one
repository, at one version.
"""

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution, version

from irsa_world.exits import CouldNotLookError

COMMAND, COMPONENT = "irsa-cli", "irsa"


def require_component() -> None:
    """Check that the component is installed, at the command's version.

    Raises:
        CouldNotLookError: It is not; the message says what to install.
    """
    try:
        found = version(COMPONENT)
    except PackageNotFoundError:
        raise CouldNotLookError(missing("it is not installed")) from None
    if found != version(COMMAND):
        raise CouldNotLookError(missing(f"{found} is installed"))


def on_one_line(text: str) -> str:
    """Return a text as `irsa.rules.mistakes.visible` does; without the component, the text is our own."""
    try:
        from irsa.rules.mistakes import visible  # noqa: PLC0415 (the component may be missing)
    except ImportError:
        return text
    return visible(text)


def missing(found: str) -> str:
    """Return the message that says what to install."""
    needed = version(COMMAND)
    return f"{COMMAND} {needed} needs the package {COMPONENT} {needed}, but {found}: install {origin()}"


def origin() -> str:
    """Return the requirement of the component for pip and uv: from the command's repository, at its revision.

    Source: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    direct_url = json.loads(distribution(COMMAND).read_text("direct_url.json") or "{}")
    source = direct_url.get("vcs_info")
    if not source:
        return "the folder components of the command's repository"
    revision = source.get("requested_revision") or source["commit_id"]
    return shlex.quote(f"{COMPONENT} @ {source['vcs']}+{direct_url['url']}@{revision}#subdirectory=components")
