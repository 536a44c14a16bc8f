"""Write a file whole, or not at all."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError

WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def write(path: Path, text: str) -> None:
    """Write a file whole, or not at all; one that exists keeps its permissions, and a link to it stays one.

    A file that is read-only is not written, though its folder would let it be replaced.

    Raises:
        CouldNotLookError: It cannot be written.
    """
    target = path.resolve()
    new = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        if mode is not None and not mode & WRITABLE:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
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
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise CouldNotLookError(f"cannot write {named(str(path))}: {error.strerror}") from error
