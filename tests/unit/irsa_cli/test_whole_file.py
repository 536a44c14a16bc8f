"""Every kind of target to which `--html`, `--markdown`, `--output` may write."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from irsa_cli.whole_file import write
from irsa_world.exits import FINDINGS, CouldNotLookError

OLD, NEW = "old\n", "new é\r\n"


class Target(NamedTuple):
    """What is written to: with the permissions of what is there, what it is a link to, and the error of a refusal."""

    name: str
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
    "new": Target("x"),
    **{f"existing, {mode:o}": Target("x", there=mode) for mode in (0o600, 0o666)},
    "read-only": Target("x", there=0o444, refused=errno.EACCES),
    "link to a file": Target("link", there=0o644, link="x"),
    "link to nothing": Target("link", link="x"),
    "link to a folder that is missing": Target("link", link="none/x", refused=errno.ENOENT),
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


@contextmanager
def full_disk() -> Iterator[None]:
    """A limit on the size of files stands for the disk: a write past it fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


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
    with pytest.raises(CouldNotLookError, match=rf"^cannot write .*: {os.strerror(refused)}$") as error:
        write(path, NEW, found=FINDINGS)
    assert error.value.exit_code == FINDINGS
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["new", "existing, 600", "link to a file"])
def test_what_ends_half_way_leaves_the_old_file(name: str, tmp_path: Path) -> None:
    path, _ = TARGETS[name].make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(CouldNotLookError), full_disk():
        write(path, NEW)

    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBUSY])
def test_a_file_that_cannot_be_replaced_is_written_in_place(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects a file that a container has mounted, or in a folder of somebody else's: rename(2) refuses to replace it.

    https://man7.org/linux/man-pages/man2/rename.2.html
    """

    def refuses(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    path, _ = Target("x", there=0o644).make(tmp_path)
    monkeypatch.setattr(Path, "replace", refuses)
    write(path, NEW)

    assert contents(tmp_path) == {"x": NEW.encode()}


PROGRAM = "import sys; from pathlib import Path; from irsa_cli.whole_file import write; write(Path(sys.argv[1]), 'new')"


# /dev/stdout is a link to /proc/self/fd/1. One of our own stands for it, and a terminal for /dev/null: a mistake in the
# code would replace those of the machine, where root runs the tests.
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(("to", "through_link", "descriptor"), [("pipe", True, 1), ("file", True, 2)])
def test_the_command_may_write_to_its_own_output(to: str, through_link: bool, descriptor: int, tmp_path: Path) -> None:
    path = Path(f"/proc/self/fd/{descriptor}")
    if through_link:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with (tmp_path / "file").open("w") as file:
        output = subprocess.PIPE if to == "pipe" else file
        command = [sys.executable, "-c", PROGRAM, str(path)]
        done = subprocess.run(command, stdout=output, stderr=output, text=True, check=True, timeout=60)
        same = (tmp_path / "file").stat().st_ino == os.fstat(file.fileno()).st_ino
    said = (done.stdout + done.stderr) if to == "pipe" else (tmp_path / "file").read_text()

    assert (said, same, path.is_symlink()) == ("new", True, True)
    assert contents(tmp_path).keys() - {"link"} == {"file"}


@pytest.mark.parametrize("umask", [0, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o200])
def test_others_read_at_no_moment_what_they_could_not_read(tmp_path: Path, mode: int, umask: int) -> None:
    target = tmp_path / "Pulumi.prod.yaml"
    target.write_text("old")
    target.chmod(mode)
    seen: set[int] = set()
    before = os.umask(umask)

    def look(*_: object) -> None:
        with os.scandir(tmp_path) as there:
            seen.update(each.stat().st_mode & 0o777 for each in there if each.name != target.name)

    sys.setprofile(look)
    try:
        write(target, "new")
    finally:
        sys.setprofile(None)
        os.umask(before)

    assert seen
    assert [oct(each) for each in seen if each & 0o077 & ~mode] == []
    assert target.stat().st_mode & 0o777 == mode
