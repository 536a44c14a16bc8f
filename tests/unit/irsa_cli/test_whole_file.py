"""Every kind of target to which `--markdown`, `--output` may write."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from irsa_cli.whole_file import write
from irsa_world.exits import CouldNotLookError

OLD, NEW = "old\n", "new é\r\n"


class Target(NamedTuple):
    """What is written to: with the permissions of what is there, what it is a link to, and the error of a refusal."""

    name: str = "x"
    there: int | None = None
    link: str = ""
    refused: int | None = None

    def make(self, folder: Path) -> tuple[Path, Path]:
        """Return the path to write to, and the file that is read afterwards."""
        path, read = folder / self.name, folder / (self.link or self.name)
        if self.there is not None:
            read.write_text(OLD)
            read.chmod(self.there)
        if self.link:
            path.symlink_to(self.link)
        return path, read


# NAME_MAX is 255 bytes: https://man7.org/linux/man-pages/man3/sysconf.3.html, limits.h(0p); é is two of them.
TARGETS = {
    "new": Target(),
    **{f"existing, {mode:o}": Target(there=mode) for mode in (0o600, 0o666)},
    "read-only": Target(there=0o444, refused=errno.EACCES),
    "link to a file": Target("link", there=0o644, link="x"),
    "link to nothing": Target("link", link="x"),
    "link to itself": Target("link", link="link", refused=errno.ELOOP),
    "folder missing": Target("none/x", refused=errno.ENOENT),
    "folder given": Target(".", refused=errno.EISDIR),
    "a name of 255 bytes in 128 characters": Target("x" + "é" * 127),
    "a name of 256 bytes": Target("x" * 256, refused=errno.ENAMETOOLONG),
}


def contents(folder: Path) -> dict[str, bytes | None]:
    return {each.name: each.read_bytes() if each.is_file() else None for each in folder.iterdir()}


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_written_or_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    target, refused = TARGETS[name], TARGETS[name].refused
    path, read = target.make(tmp_path)
    before = contents(tmp_path)
    if refused is None:
        write(path, NEW)
        assert (read.stat().st_mode & 0o777, path.is_symlink()) == (target.there or 0o644, bool(target.link))
        assert contents(tmp_path) == {**before, path.name: NEW.encode(), read.name: NEW.encode()}
        return
    with pytest.raises(CouldNotLookError, match=rf"^cannot write .*: {os.strerror(refused)}$"):
        write(path, NEW)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["new", "existing, 600", "link to a file"])
def test_what_ends_half_way_leaves_the_old_file(name: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: a write past it fails, as on a full disk."""
    path, _ = TARGETS[name].make(tmp_path)
    before, limits = contents(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        with pytest.raises(CouldNotLookError):
            write(path, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert contents(tmp_path) == before


PROGRAM = "import sys; from pathlib import Path; from irsa_cli.whole_file import write; write(Path(sys.argv[1]), 'new')"


@pytest.mark.parametrize("to", ["pipe", "file"])
def test_the_command_may_write_to_its_own_output(to: str, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        command = [sys.executable, "-c", PROGRAM, "/dev/stdout"]
        output = subprocess.PIPE if to == "pipe" else file
        done = subprocess.run(command, stdout=output, text=True, check=True, timeout=60)
        same = (tmp_path / "file").stat().st_ino == os.fstat(file.fileno()).st_ino

    assert (done.stdout if to == "pipe" else (tmp_path / "file").read_text(), same) == ("new", True)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_others_read_at_no_moment_what_they_could_not_read(tmp_path: Path, mode: int) -> None:
    target, seen = tmp_path / "Pulumi.prod.yaml", set[int]()
    target.write_text("old")
    target.chmod(mode)
    os.umask(0)

    def look(*_: object) -> None:
        with os.scandir(tmp_path) as there:
            seen.update(each.stat().st_mode & 0o777 for each in there if each.name != target.name)

    sys.setprofile(look)
    try:
        write(target, "new")
    finally:
        sys.setprofile(None)

    assert seen
    assert [oct(each) for each in seen if each & 0o077 & ~mode] == []
    assert target.stat().st_mode & 0o777 == mode
