"""The packages beside the command's own, which have to be of its version."""

from importlib.metadata import PackageNotFoundError, version

from irsa_world.exits import CouldNotLookError

COMMAND, OTHERS = "irsa-cli", ("irsa", "irsa-stack")


def require_one_version() -> None:
    """Check that the others have the command's version: pip only warns whoever installs another one after it.

    Raises:
        CouldNotLookError: One has not, or is not installed.
    """
    needed = version(COMMAND)
    for name in OTHERS:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "none"
        if found != needed:
            raise CouldNotLookError(
                f"{COMMAND} {needed} needs {name} {needed}, but {found} is installed: install {COMMAND} again"
            )
