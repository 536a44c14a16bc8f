"""The component's package, which has to be of the command's version."""

from importlib.metadata import PackageNotFoundError, version

from irsa_world.exits import CouldNotLookError

COMMAND, COMPONENT = "irsa-cli", "irsa"


def require_component() -> None:
    """Check that the component has the command's version: pip only warns whoever installs another one after it.

    Raises:
        CouldNotLookError: It has not, or is not installed.
    """
    needed = version(COMMAND)
    try:
        found = version(COMPONENT)
    except PackageNotFoundError:
        found = "none"
    if found != needed:
        raise CouldNotLookError(
            f"{COMMAND} {needed} needs {COMPONENT} {needed}, but {found} is installed: install {COMMAND} again"
        )
