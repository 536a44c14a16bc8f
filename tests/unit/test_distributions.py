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
DOCUMENTING = (
    "README.md",
    "docs/guides/own-program.md",
    "docs/guides/first-role.md",
    "docs/guides/install.md",
    "docs/guides/own-repository.md",
    "components/README.md",
    "components/pyproject.toml",
    "examples/python-stack/requirements.txt",
)
FILES = ("pyproject.toml", "components/pyproject.toml", "cli/pyproject.toml")
REQUIREMENTS = [
    f"{folder}{name}" for folder in ("", "*/", "examples/*/") for name in ("pyproject.toml", "requirements*.txt")
]


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


@pytest.mark.parametrize("file", FILES)
def test_one_version(file: str) -> None:
    """Protects `irsa verify` right after a release: the command refuses a component of another version."""
    assert "version" not in project(file)
    hatch = tomllib.loads((ROOT / file).read_text())["tool"]["hatch"]
    home = (ROOT / file).parent / hatch["version"]["path"]

    assert home.resolve() == ROOT / "components" / "irsa" / "version.py"
    assert version(project(file)["name"]) == VERSION


LINE = r"\b(irsa(?:-\w+)?) @ git\+https://\S+?@v[\d.]+#subdirectory=(\w+)"


def test_the_documented_lines_are_of_this_version() -> None:
    """Protects who installs a release by README's line: the tag in it is the release's own."""
    for file in DOCUMENTING:
        text = (ROOT / file).read_text()
        assert set(re.findall(r"(?:@|/tree/|--branch )v([0-9][\w.+-]*)", text)) <= {VERSION}, file
    assert f"@v{VERSION}#subdirectory=components" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("file", DOCUMENTING)
def test_documented_lines_name_the_repository_and_the_folder(file: str) -> None:
    """Protects who copies a line: only a URL with a folder brings ours, and the folder of the right distribution."""
    folders = {"irsa": "components", "irsa-cli": "cli"}
    text = (ROOT / file).read_text()

    for name, folder in re.findall(LINE, text):
        assert folders[name] == folder
    assert not re.findall(r"(?:pip|pipx|tool) install +(?:--\S+ +)*[\"']?irsa(?:-cli)?(?![\w-]| @ )", text)
    assert not re.findall(r"git\+https://[^\s#\"]+[\s\"]", text)


def test_the_readme_has_a_line_for_each_distribution() -> None:
    """Protects the test above from a README whose lines it no longer finds."""
    assert set(re.findall(LINE, (ROOT / "README.md").read_text())) == {("irsa", "components"), ("irsa-cli", "cli")}


def declared(file: Path) -> list[str]:
    """Return what a pyproject.toml or a requirements file asks for."""
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
