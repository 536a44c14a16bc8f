"""The three distributions of this repository: what they ask for, and what they are called."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from irsa.version import VERSION

ROOT = Path(__file__).parents[2]
OURS = frozenset({"irsa", "irsa-cli", "irsa-checkout"})
# What names this repository in a command: every page, and what the examples and distributions say of an install.
DOCUMENTING = [
    file
    for pattern in ("*.md", "docs/**/*.md", "components/*.*", "examples/*/*.txt", "examples/*/*.yaml")
    for file in sorted(ROOT.glob(pattern))
]
FILES = ("pyproject.toml", "components/pyproject.toml", "cli/pyproject.toml")
REQUIREMENTS = [
    f"{folder}{name}" for folder in ("", "*/", "examples/*/") for name in ("pyproject.toml", "requirements*.txt")
]


def project(file: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / file).read_text())["project"]
    return found


@pytest.mark.parametrize("file", FILES)
def test_no_index_is_asked_for_a_name_of_ours(file: str) -> None:
    own = project(file)
    asked = [*own["dependencies"], *(each for more in own.get("optional-dependencies", {}).values() for each in more)]
    names = {re.split(r"[\s\[<>=!~;@]", each, maxsplit=1)[0].lower() for each in asked}

    # An extra of the distribution itself is no question to an index.
    assert names & OURS <= {own["name"]}


@pytest.mark.parametrize("file", FILES)
def test_one_version(file: str) -> None:
    assert "version" not in project(file)
    hatch = tomllib.loads((ROOT / file).read_text())["tool"]["hatch"]
    home = (ROOT / file).parent / hatch["version"]["path"]

    assert home.resolve() == ROOT / "components" / "irsa" / "version.py"
    assert version(project(file)["name"]) == VERSION


@pytest.mark.parametrize("file", DOCUMENTING, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_install_works_in_a_clone_and_brings_ours(file: Path) -> None:
    text = file.read_text()

    assert not re.findall(r"HOST/ORGANIZATION|@v\d", text)
    assert not re.findall(r"(?:pip|pipx|tool) install +(?:--\S+ +)*[\"']?irsa(?:-cli)?(?![\w-]| @ )", text)


def declared(file: Path) -> list[str]:
    if file.suffix == ".toml":
        return project(str(file.relative_to(ROOT)))["dependencies"] if "[project]" in file.read_text() else []
    return [line.split(" \\")[0] for line in file.read_text().splitlines() if re.match(r"\w", line)]


def test_no_kubernetes_plugin_that_takes_what_exists() -> None:
    """Protects service accounts and namespaces of others: a plugin below 4.29 adopts them, and destroy deletes them.

    The slip: `create` of what exists said nothing, took it over by server-side apply, and `pulumi destroy` deleted it.
    https://github.com/pulumi/pulumi-kubernetes/blob/master/CHANGELOG.md, 4.29.0 (#2926)
    """
    files = [file for pattern in REQUIREMENTS for file in ROOT.glob(pattern)]
    ranges = {
        file.relative_to(ROOT).as_posix(): Requirement(line).specifier
        for file in files
        for line in declared(file)
        if re.match(r"pulumi[-_.]kubernetes\b", line)
    }
    adopting = ("4.0.0", "4.20.0", "4.28.0", "4.28.99")

    assert {*ranges} >= {"components/pyproject.toml", "components/requirements.txt", "requirements.txt"}
    assert [file for file, found in ranges.items() if any(each in found for each in adopting)] == []
