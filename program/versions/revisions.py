"""The stack files of revisions of git, for `irsa diff OLD NEW`.

What is in a revision may be a stranger's: it is data. Nothing of it runs, and no file outside of it is read.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

import yaml

from config.nodes import composed, mappings_in
from config.project_file import NAME, project_above, stack_folder
from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError
from program.check import stack_files as project_stack_files

REGULAR = {"100644", "100755"}
KINDS = {"120000": "a symbolic link, which is not followed", "160000": "a submodule, which is not read"}
# Parts of paths that git itself refuses, but a server may take.
OUTSIDE = {"", ".", "..", ".git"}
# Of all stack files and policy files of a revision together, in bytes.
LARGEST = 2**25


class Revision(NamedTuple):
    """A revision, or the working directory.

    Attributes:
        name: What the user called it; empty for the working directory.
        commit: Its object name; empty for the working directory.
    """

    name: str
    commit: str


class _Entry(NamedTuple):
    path: PurePosixPath
    mode: str
    blob: str
    """Its object name."""
    size: int
    """In bytes."""


def revisions(old: str, new: str | None) -> list[Revision]:
    """Return both revisions.

    Args:
        old: A revision; `A..B` stands for two of them, `A...B` for B and where it left A.
        new: The other one; None for the working directory.

    Raises:
        CouldNotLookError: There is no such revision, or no git.
    """
    if new is None and "..." in old:
        left, right = map(_revision, (each or "HEAD" for each in old.split("...", 1)))
        return [Revision(left.name, _text("merge-base", left.commit, right.commit)), right]
    if new is None and ".." in old:
        return [_revision(each or "HEAD") for each in old.split("..", 1)]
    return [_revision(old), _revision(new) if new is not None else Revision("", "")]


def is_revision(name: str) -> bool:
    """Return whether git knows a name as that of a commit."""
    try:
        return bool(_revision(name))
    except CouldNotLookError:
        return False


def stack_files(revision: Revision, folder: Path, stack: str | None) -> list[Path]:
    """Return the stack files of the project in the working directory, as a revision has them.

    They are written into the folder, with the files that they name. Without a revision they are where they are.

    Args:
        revision: The revision.
        folder: A folder that does not exist yet.
        stack: The name of the stack that is meant; None for all.

    Raises:
        CouldNotLookError: The revision has no Pulumi.yaml in the working directory; or what is needed of it is no
            regular file, is outside of it, or is too large.
    """
    if not revision.commit:
        return [each for each in project_stack_files(Path()) if _is_of(stack, each) and each.is_file()]
    prefix = PurePosixPath(_text("-C", str(project_above(Path()) or Path()), "rev-parse", "--show-prefix"))
    entries = {each.path: each for each in _entries(revision.commit)}
    project_file = entries.get(prefix / NAME)
    if project_file is None:
        raise CouldNotLookError(f"{named(revision.name)} has no {NAME} here: run it in the folder of your project")
    _write(folder, [project_file], revision)
    project = folder / prefix
    own_folder = _stack_folder(project, revision)
    own = PurePosixPath(os.path.normpath(prefix / own_folder))
    if own.parts[:1] == ("..",) or own.is_absolute():
        raise CouldNotLookError(f"{named(revision.name)}: {NAME} has its stack files outside of the repository")
    wanted = [each for each in entries.values() if each.path.parent == own and _is_of(stack, each.path)]
    # A link on the way to a file is one, too.
    _write(folder, [*wanted, *(entries[each] for each in (own, *own.parents) if each in entries)], revision)
    # By this way they lead to their project, wherever it is.
    files = [project / own_folder / each.path.name for each in wanted]
    texts = [file.read_bytes() for file in (*files, project / NAME)]
    paths = {PurePosixPath(os.path.normpath(prefix / name)) for text in texts for name in _named(text)}
    named_files = {each for path in paths for each in (path, *path.parents)} & entries.keys()
    _write(folder, [entries[each] for each in named_files - {each.path for each in wanted}], revision)
    return sorted(files)


def _git(*arguments: str, given: str = "") -> bytes:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, check=False, input=given.encode())  # noqa: S603, S607
    except FileNotFoundError:
        raise CouldNotLookError("git is not on PATH") from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise CouldNotLookError(f"git {arguments[0]}: {named(said)}")
    return answer.stdout


def _text(*arguments: str) -> str:
    return _git(*arguments).decode(errors="surrogateescape").rstrip("\n")


def _revision(name: str) -> Revision:
    try:
        # What begins with a hyphen is no option here.
        return Revision(name, _text("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}"))
    except CouldNotLookError as error:
        raise CouldNotLookError(f"{named(name)} is neither a file nor a revision of git: {error}") from None


def _entries(commit: str) -> Iterator[_Entry]:
    """Yield the files of a commit, links and submodules included."""
    for line in _git("ls-tree", "-r", "-z", "-l", "--full-tree", commit).decode(errors="surrogateescape").split("\0"):
        about, _, path = line.partition("\t")
        if path and not OUTSIDE & {*path.lower().split("/")}:
            mode, _, blob, size = about.split()
            yield _Entry(PurePosixPath(path), mode, blob, int(size) if size.isdigit() else 0)


def _write(folder: Path, entries: Sequence[_Entry], revision: Revision) -> None:
    """Write files of a revision.

    Raises:
        CouldNotLookError: One is no regular file, or all are too large, or one has a name that no file can have here.
    """
    if wrong := [each for each in entries if each.mode not in REGULAR]:
        what = KINDS.get(wrong[0].mode, "no regular file")
        raise CouldNotLookError(f"{named(str(wrong[0].path))} in {named(revision.name)} is {what}")
    if sum(each.size for each in entries) > LARGEST:
        raise CouldNotLookError(f"the stack files and policy files of {named(revision.name)} have more than 32 MiB")
    content = memoryview(_git("cat-file", "--batch", given="".join(f"{each.blob}\n" for each in entries)))
    start = 0
    try:
        for each in entries:
            # A line about it, what is in it, and the end of a line.
            start += len(f"{each.blob} blob {each.size}\n")
            file = folder / each.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content[start : start + each.size])
            start += each.size + 1
    except OSError as error:
        raise CouldNotLookError(f"{named(str(each.path))} in {named(revision.name)}: {error.strerror}") from None


def _stack_folder(project: Path, revision: Revision) -> str:
    try:
        composed((project / NAME).read_text("utf-8-sig"))
    except (ValueError, yaml.YAMLError, RecursionError):
        raise CouldNotLookError(f"{NAME} in {named(revision.name)} is not readable as YAML") from None
    return stack_folder(project)


def _is_of(stack: str | None, path: PurePath) -> bool:
    """Return whether a path is that of a stack file, of one stack if it is given."""
    return path.name == f"Pulumi.{stack}.yaml" if stack else path.match("Pulumi.?*.yaml")


def _named(content: bytes) -> set[str]:
    """Return the names of policy files in a stack file; none of what is no YAML."""
    try:
        root = composed(content.decode("utf-8-sig"))
    except (ValueError, yaml.YAMLError, RecursionError):
        return set()
    found: set[str] = set()
    for key, value in (pair for node in mappings_in(root) for pair in node.value):
        if isinstance(value, yaml.ScalarNode):
            # A setting may be written as JSON in a string.
            found |= {value.value} if key.value == "file" else set()
            found |= _named(value.value.encode()) if value.value.startswith("{") else set()
    return found
