"""The three distributions of this repository: what they ask for, and what they are called."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = frozenset({"irsa", "irsa-cli", "irsa-checkout"})
FILES = ("pyproject.toml", "components/pyproject.toml", "cli/pyproject.toml")


def project(file: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / file).read_text())["project"]
    return found


@pytest.mark.parametrize("file", FILES)
def test_no_index_is_asked_for_a_name_of_ours(file: str) -> None:
    """Protects against another's package: whoever owns a name of ours on an index would run code in every install."""
    own = project(file)
    asked = [*own["dependencies"], *(each for more in own.get("optional-dependencies", {}).values() for each in more)]
    names = {re.split(r"[\s\[<>=!~;@]", each, maxsplit=1)[0].lower() for each in asked}

    # An extra of the distribution itself is no question to an index.
    assert names & OURS <= {own["name"]}


def test_one_version() -> None:
    """Protects `irsa verify` right after a release: the command refuses a component of another version."""
    assert {project(file)["version"] for file in FILES} == {version("irsa")} == {version("irsa-cli")}


@pytest.mark.parametrize(
    "file",
    [
        "README.md",
        "docs/verify.md",
        "components/README.md",
        "components/pyproject.toml",
        "examples/python-stack/requirements.txt",
    ],
)
def test_documented_lines_name_the_repository_and_the_folder(file: str) -> None:
    """Protects who copies a line: only a URL with a folder brings ours, and the folder of the right distribution."""
    folders = {"irsa": "components", "irsa-cli": "cli"}
    text = (ROOT / file).read_text()

    for name, folder in re.findall(r"\b(irsa(?:-\w+)?) @ git\+https://\S+?@v[\d.]+#subdirectory=(\w+)", text):
        assert folders[name] == folder
    assert not re.findall(r"(?:pip|pipx|tool) install +(?:--\S+ +)*[\"']?irsa(?:-cli)?(?![\w-]| @ )", text)
    assert not re.findall(r"git\+https://[^\s#\"]+[\s\"]", text)
