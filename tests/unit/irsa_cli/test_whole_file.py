"""How a file of the user's is written."""

import os
import sys
from pathlib import Path

import pytest

from irsa_cli.whole_file import write


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660, 0o666, 0o200, 0o700])
def test_others_read_at_no_moment_what_they_could_not_read(tmp_path: Path, mode: int, umask: int) -> None:
    """Protects secrets in a stack file: who opens the new file before it has the old one's permissions reads on."""
    target, new = tmp_path / "Pulumi.prod.yaml", tmp_path / ".Pulumi.prod.yaml.new"
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
    (tmp_path / ".Pulumi.prod.yaml.new").symlink_to(other)
    write(tmp_path / "Pulumi.prod.yaml", "x")

    assert (other.read_text(), (tmp_path / "Pulumi.prod.yaml").read_text()) == ("precious", "x")
    assert not (tmp_path / "Pulumi.prod.yaml").is_symlink()
