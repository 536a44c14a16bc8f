"""Write a file whole, or not at all."""

import contextlib
import shutil
from pathlib import Path

from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError


def write(path: Path, text: str) -> None:
    """Write a file whole, or not at all; one that exists keeps its permissions, and a link to it stays one.

    Raises:
        CouldNotLookError: It cannot be written.
    """
    target = path.resolve()
    new = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8", newline="")
        if target.exists():
            shutil.copymode(target, new)
        new.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise CouldNotLookError(f"cannot write {named(str(path))}: {error.strerror}") from error
