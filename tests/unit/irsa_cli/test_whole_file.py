"""How a file of the user's is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from irsa_cli.whole_file import write


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660, 0o666, 0o200, 0o700])
def test_others_read_at_no_moment_what_they_could_not_read(tmp_path: Path, mode: int, umask: int) -> None:
    """Protects secrets in a stack file: who opens the new file before it has the old one's permissions reads on."""
    target, new = tmp_path / "Pulumi.prod.yaml", tmp_path / f".Pulumi.prod.yaml.{os.getpid()}.new"
    target.write_text("old")
    target.chmod(mode)
    seen: set[int] = set()
    before = os.umask(umask)
    sys.setprofile(lambda *_: seen.add(new.stat().st_mode & 0o777) if os.path.lexists(new) else None)
    try:
        write(target, "new")
    finally:
        sys.setprofile(None)
        os.umask(before)

    assert seen
    assert [oct(each) for each in seen if each & ~mode] == []
    assert target.stat().st_mode & 0o777 == mode


def test_a_link_in_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    """Protects a user's other files: a repository can bring a link of the name under which irsa writes first."""
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / f".Pulumi.prod.yaml.{os.getpid()}.new").symlink_to(other)
    write(tmp_path / "Pulumi.prod.yaml", "x")

    assert (other.read_text(), (tmp_path / "Pulumi.prod.yaml").read_text()) == ("precious", "x")
    assert not (tmp_path / "Pulumi.prod.yaml").is_symlink()


def test_runs_at_a_time_do_not_take_the_file_from_each_other(tmp_path: Path) -> None:
    """Protects an editor that checks while a hook does: each run's file is whole, and none fails."""
    target = tmp_path / "Pulumi.prod.yaml"
    code = "import pathlib, sys; from irsa_cli.whole_file import write\n"
    code += "for _ in range(30): write(pathlib.Path(sys.argv[1]), sys.argv[2] * 300_000)"
    runs = [subprocess.Popen([sys.executable, "-c", code, str(target), text]) for text in "abc"]

    assert [each.wait() for each in runs] == [0, 0, 0]
    assert ({*target.read_text()} <= {*"abc"}, len({*target.read_text()}), target.stat().st_size) == (True, 1, 300_000)
    assert [*tmp_path.iterdir()] == [target]
