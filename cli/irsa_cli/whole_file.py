"""Write a file whole, or not at all."""

import errno
import os
import stat
from pathlib import Path
from tempfile import NamedTemporaryFile

from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError


def write(path: Path, text: str) -> None:
    """Write a file whole, or not at all; one that exists keeps its permissions, and a link to it stays one.

    A file that is read-only is not written, though its folder would let it be replaced.

    Raises:
        CouldNotLookError: It cannot be written.
    """
    try:
        mode = _mode(path)
        # A device or a pipe, such as /dev/stdout, is written as it is.
        if path.is_relative_to("/dev") or not stat.S_ISREG(mode):
            path.write_text(text, encoding="utf-8", newline="")
        elif mode & 0o222:
            _replace(Path(os.path.realpath(path)), text, stat.S_IMODE(mode))
        else:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise CouldNotLookError(f"cannot write {named(str(path))}: {error.strerror}") from error


def _mode(path: Path) -> int:
    """Return the type and permissions of a file; of one that is not there, those of a new one."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        os.umask(umask := os.umask(0o077))
        return stat.S_IFREG | 0o666 & ~umask


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
