"""Files of policy documents: what is there is used or left, never overwritten."""

from pathlib import Path

import pytest

from irsa_cli.adopt.policy_files import PolicyFiles
from irsa_cli.exits import CouldNotLookError

TEXT, OTHER = '{"Version": "2012-10-17"}\n', '{"Version": "2008-10-17"}\n'


def test_the_same_document_is_the_same_file(tmp_path: Path) -> None:
    """Protects a second run, and two policies with one document."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "read.json").write_text('{ "Version":"2012-10-17" }')
    files = PolicyFiles(tmp_path)

    assert files.name("read", TEXT) == files.name("read", TEXT) == "policies/read.json"
    assert not files.missing("policies/read.json")


def test_another_document_gets_another_name(tmp_path: Path) -> None:
    """Protects the file of somebody else, and of this run."""
    files = PolicyFiles(tmp_path)
    first, second = files.name("read", TEXT), files.name("Read", OTHER)

    assert first == "policies/read.json"
    assert second.startswith("policies/Read-")
    assert files.missing(first)


def test_no_name_is_left(tmp_path: Path) -> None:
    """Protects from an endless search, and from overwriting."""
    files = PolicyFiles(tmp_path)
    second = files.name("read", TEXT) and files.name("read", OTHER)
    (tmp_path / "policies").mkdir()
    for name in ("policies/read.json", second):
        (tmp_path / name).write_text("{}")

    with pytest.raises(CouldNotLookError, match="is there with another document"):
        PolicyFiles(tmp_path).name("read", OTHER)
