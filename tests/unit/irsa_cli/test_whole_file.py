"""How a file of the user's is written."""

from pathlib import Path

import pytest

from irsa_cli.exits import CouldNotLookError
from irsa_cli.whole_file import write


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Protects the old file from a disk that is full, and says why it could not be written."""
    (tmp_path / "folder").write_text("")

    with pytest.raises(CouldNotLookError, match="cannot write"):
        write(tmp_path / "folder" / "Pulumi.prod.yaml", "x")
    write(tmp_path / "Pulumi.prod.yaml", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Pulumi.prod.yaml", "folder"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    """Protects a team's files: nobody else can read what they could not read before, and a link stays a link."""
    target, link = tmp_path / "target.yaml", tmp_path / "Pulumi.prod.yaml"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, "new\r\n")

    assert (target.read_bytes(), target.stat().st_mode & 0o777, link.is_symlink()) == (b"new\r\n", 0o640, True)
