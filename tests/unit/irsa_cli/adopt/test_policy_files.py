"""Files of policy documents: what is there is used or left, never overwritten."""

import json
from pathlib import Path

import pytest

from irsa_cli.adopt.documents import Documents
from irsa_cli.exits import CouldNotLookError

DOCUMENT, OTHER = {"Version": "2012-10-17"}, {"Version": "2008-10-17"}


def test_the_same_document_is_the_same_file(tmp_path: Path) -> None:
    """Protects a second run, and two policies with one document."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "read.json").write_text('{ "Version":"2012-10-17" }')
    documents = Documents(tmp_path, {})

    for _ in range(2):
        assert documents.setting("read", DOCUMENT) == {"file": "policies/read.json"}


def test_another_document_gets_another_name(tmp_path: Path) -> None:
    """Protects the file of somebody else, and of this run."""
    documents = Documents(tmp_path, {})
    first, second = documents.setting("read", DOCUMENT)["file"], documents.setting("Read", OTHER)["file"]

    assert first == "policies/read.json"
    assert second.startswith("policies/Read-")
    assert {name: json.loads(text) for name, text in documents.files.items()} == {first: DOCUMENT, second: OTHER}


def test_no_name_is_left(tmp_path: Path) -> None:
    """Protects from an endless search, and from overwriting."""
    documents = Documents(tmp_path, {})
    names = [documents.setting("read", each)["file"] for each in (DOCUMENT, OTHER)]
    (tmp_path / "policies").mkdir()
    for name in names:
        (tmp_path / name).write_text("{}")

    with pytest.raises(CouldNotLookError, match="is there with another document"):
        Documents(tmp_path, {}).setting("read", OTHER)
