"""The component's package, without which no verb works.

The command's metadata does not name it: on an index, `irsa` is somebody else's. Both come from one repository, at one
version.
"""

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution, version

from irsa_cli.exits import CouldNotLookError

COMMAND, COMPONENT = "irsa-cli", "irsa"


def require_component() -> None:
    """Check whether the component is installed beside the command, at the command's version.

    Raises:
        CouldNotLookError: It is not; the reason says what to install.
    """
    try:
        found = version(COMPONENT)
    except PackageNotFoundError:
        raise CouldNotLookError(missing("there is none")) from None
    if found != version(COMMAND):
        raise CouldNotLookError(missing(f"there is {found}"))


def missing(found: str) -> str:
    """Say what is missing, and what to install."""
    own = version(COMMAND)
    return f"{COMMAND} {own} needs the component's package {COMPONENT} {own}, and {found}: install {origin()} beside it"


def origin() -> str:
    """Return where the component comes from, as pip and uv take it: the repository and revision that the command is from.

    Source: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    told = json.loads(distribution(COMMAND).read_text("direct_url.json") or "{}")
    source = told.get("vcs_info")
    if not source:
        return "the folder components of the repository that the command is from"
    revision = source.get("requested_revision") or source["commit_id"]
    return shlex.quote(f"{COMPONENT} @ {source['vcs']}+{told['url']}@{revision}#subdirectory=components")
