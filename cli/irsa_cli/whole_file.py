"""Write a file whole, or not at all."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from tempfile import NamedTemporaryFile

from irsa.rules.mistakes import named
from irsa_world.exits import GOOD, CouldNotLookError

# The folder takes no new file, or the file is mounted by itself, as a container has it: the file may still be written.
NOT_REPLACED = (errno.EACCES, errno.EPERM, errno.EBUSY)


def write(path: Path, text: str, *, found: int = GOOD) -> None:
    """Write a file whole, or not at all; one that exists keeps its permissions, and a link to it stays one.

    A file that is read-only is not written, though its folder would let it be replaced.

    Args:
        path: The file. A device, a pipe, or what the command prints to is written as it is.
        text: Its content.
        found: The exit code of what the command has found, which a failure to write does not hide.

    Raises:
        CouldNotLookError: It cannot be written.
    """
    try:
        if mode := _mode_of_replaced(path):
            try:
                return _replace(Path(os.path.realpath(path)), text, mode)
            except OSError as error:
                if error.errno not in NOT_REPLACED:
                    raise
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        problem = CouldNotLookError(f"cannot write {named(str(path))}: {error.strerror}")
        problem.exit_code = found or problem.exit_code
        raise problem from error


def _mode_of_replaced(path: Path) -> int:
    """Return the permissions of the file that takes the place of one; 0 where that is written as it is."""
    try:
        present = path.stat()
    except FileNotFoundError:
        os.umask(umask := os.umask(0o077))
        return 0o666 & ~umask
    mode = stat.S_IMODE(present.st_mode)
    if not mode & 0o222:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    for output in (1, 2):
        with contextlib.suppress(OSError):
            # A new file in the place of what is printed to would lack that.
            if os.path.samestat(present, os.fstat(output)):
                return 0
    return mode if stat.S_ISREG(present.st_mode) else 0


def _replace(target: Path, text: str, mode: int) -> None:
    with NamedTemporaryFile("w", dir=target.parent, prefix=".", encoding="utf-8", newline="", delete=False) as new:
        try:
            # Only its owner may read it so far: a secret in it is at no moment readable for others.
            new.write(text)
            new.close()
            Path(new.name).chmod(mode)
            Path(new.name).replace(target)
        finally:
            Path(new.name).unlink(missing_ok=True)
