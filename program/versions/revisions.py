"""The stack files of revisions of git, for `irsa diff OLD NEW`.

What is in a revision may be a stranger's: it is data. Nothing of it runs, and no file outside of it is read.
"""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from config.project_file import NAME
from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError

REGULAR = {b"100644", b"100755"}
# Parts of paths that git itself refuses, but a server may take.
OUTSIDE = {"", ".", "..", ".git"}
LARGEST = 2**26


class _Blob(NamedTuple):
    path: str
    name: str
    """Its object name."""
    size: int
    """In bytes."""


def _git(*arguments: str, **more: object) -> bytes:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, check=False, **more)  # type: ignore[call-overload]  # noqa: S603, S607
    except FileNotFoundError:
        raise CouldNotLookError("git is not on PATH") from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise CouldNotLookError(f"git {arguments[0]}: {named(said)}")
    content: bytes = answer.stdout
    return content


def commits(old: str, new: str | None) -> list[str]:
    """Return both commits; an empty one stands for the working directory.

    Args:
        old: A revision; `A..B` stands for two of them, `A...B` for B and where it left A.
        new: The other one; None for the working directory.

    Raises:
        CouldNotLookError: There is no such revision, or no git.
    """
    if new is None and "..." in old:
        left, right = map(_commit, (each or "HEAD" for each in old.split("...", 1)))
        return [_git("merge-base", left, right).decode().strip(), right]
    if new is None and ".." in old:
        return [_commit(each or "HEAD") for each in old.split("..", 1)]
    return [_commit(old), _commit(new) if new is not None else ""]


def _commit(revision: str) -> str:
    try:
        # What begins with a hyphen is no option here.
        return _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    except CouldNotLookError as error:
        raise CouldNotLookError(f"{named(revision)} is neither a file nor a revision of git: {error}") from None


def written_files(commit: str, folder: Path) -> Path:
    """Write the project's stack files of a commit, and the files that they name, into a folder, and return that.

    Symbolic links and submodules are left out: what a commit links to is not its own.

    Raises:
        CouldNotLookError: The commit has no Pulumi.yaml in the working directory, or its files are too large.
    """
    if not commit:
        return Path()
    folder.mkdir()
    blobs = list(_blobs(commit))
    stack_files = [each for each in blobs if PurePosixPath(each.path).match("Pulumi*.yaml")]
    if NAME not in {each.path for each in stack_files}:
        raise CouldNotLookError(f"{commit[:12]} has no Pulumi.yaml in this folder: run it in that of your project")
    text = "\n".join(_write(folder, stack_files))
    _write(folder, [each for each in blobs if each not in stack_files and each.path in text])
    return folder


def _blobs(commit: str) -> Iterator[_Blob]:
    """Yield the regular files of a commit below the working directory."""
    for line in _git("ls-tree", "-r", "-z", "-l", commit, ".").split(b"\0"):
        about, _, path = line.partition(b"\t")
        mode, _, name, size = about.split() if path else (b"", b"", b"", b"0")
        blob = _Blob(path.decode(errors="surrogateescape"), name.decode(), int(size) if size.isdigit() else 0)
        if mode in REGULAR and not OUTSIDE & {*blob.path.lower().split("/")}:
            yield blob


def _write(folder: Path, blobs: Sequence[_Blob]) -> list[str]:
    """Write files, and return their texts."""
    if sum(each.size for each in blobs) > LARGEST:
        raise CouldNotLookError("the stack files and policy files of a revision have more than 64 MiB")
    answer = _git("cat-file", "--batch", input="".join(f"{each.name}\n" for each in blobs).encode())
    texts = []
    for blob in blobs:
        # A line about it, what is in it, and the end of a line.
        start = answer.index(b"\n") + 1
        content, answer = answer[start : start + blob.size], answer[start + blob.size + 1 :]
        file = folder / blob.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        texts.append(content.decode(errors="replace"))
    return texts
