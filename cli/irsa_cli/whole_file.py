"""Write a file whole, or not at all."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from irsa.rules.mistakes import named
from irsa_world.exits import GOOD, CouldNotLookError

WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
# With a number and `.new`, shorter than the 255 bytes that a name may have, of which a character takes at most 4.
NAME_LENGTH = 60
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
        _write(path, text)
    except OSError as error:
        problem = CouldNotLookError(f"cannot write {named(str(path))}: {error.strerror}")
        problem.exit_code = found or problem.exit_code
        raise problem from error


def _write(path: Path, text: str) -> None:
    try:
        present = path.stat()
    except FileNotFoundError:
        return _replace(path, text)
    if stat.S_ISREG(present.st_mode) and not _is_printed_to(present):
        if not present.st_mode & WRITABLE:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            return _replace(path, text, stat.S_IMODE(present.st_mode))
        except OSError as error:
            if error.errno not in NOT_REPLACED:
                raise
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    return None


def _is_printed_to(present: os.stat_result) -> bool:
    """Return whether standard output or standard error goes to this file: a new one in its place would lack that."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(present, os.fstat(descriptor)):
                return True
    return False


def _replace(path: Path, text: str, mode: int | None = None) -> None:
    target = Path(os.path.realpath(path))
    # With the number of the process: two runs at a time would take the file from each other.
    new = target.with_name(f".{target.name[:NAME_LENGTH]}.{os.getpid()}.new")
    try:
        # A repository may bring a link of this name, through which another file would be written.
        new.unlink(missing_ok=True)
        # With the old file's permissions from the start: a secret in it is at no moment readable for others.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        if mode is not None:
            # The umask may have taken some of them.
            new.chmod(mode)
        new.replace(target)
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
