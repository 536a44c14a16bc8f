"""The three distributions of this repository: what they ask for, and what they are called."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from irsa.version import VERSION
from irsa_cli.main import main

ROOT = Path(__file__).parents[2]
FILES = ("components/pyproject.toml", "pyproject.toml", "cli/pyproject.toml")
# Of each wheel, its packages: a top-level name that anybody may use would replace another project's.
PACKAGES = {
    "irsa": ["irsa"],
    "irsa-stack": ["config/irsa_config", "program/irsa_program", "cli/irsa_world"],
    "irsa-cli": ["irsa_cli"],
}
# What each needs of the others, so that whoever installs the command has them all.
OURS = {"irsa": set(), "irsa-stack": {"irsa"}, "irsa-cli": {"irsa", "irsa-stack"}}
TEMPLATE = ROOT / "templates" / "irsa-stack"
# What names this repository in a command: every page, and what the examples and distributions say of an install.
DOCUMENTING = [
    file
    for pattern in ("*.md", "docs/**/*.md", "components/*.*", "examples/*/*.txt", "examples/*/*.yaml")
    for file in sorted(ROOT.glob(pattern))
]
REQUIREMENTS = [
    f"{folder}{name}" for folder in ("", "*/", "examples/*/") for name in ("pyproject.toml", "requirements*.txt")
]


def project(file: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / file).read_text())["project"]
    return found


@pytest.mark.parametrize("file", FILES)
def test_each_needs_the_others_in_its_own_version(file: str) -> None:
    own = project(file)
    hatch = tomllib.loads((ROOT / file).read_text())["tool"]["hatch"]
    asked = {each.name: str(each.specifier) for each in map(Requirement, own["dependencies"])}

    assert (ROOT / file).parent.joinpath(hatch["version"]["path"]).resolve() == ROOT / "components/irsa/version.py"
    assert hatch["build"]["targets"]["wheel"] == {"packages": PACKAGES[own["name"]]}
    assert version(own["name"]) == VERSION
    assert {name: said for name, said in asked.items() if name in OURS} == dict.fromkeys(
        OURS[own["name"]], f"=={VERSION}"
    )


def test_one_version_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"irsa {VERSION}\n"
    assert json.loads((ROOT / "components" / "schema.json").read_text())["version"] == VERSION
    assert yaml.safe_load((ROOT / "policy-pack" / "PulumiPolicy.yaml").read_text())["version"] == VERSION
    pages = "".join(file.read_text() for file in DOCUMENTING)
    assert {*re.findall(r"(?:@v|/tree/v|irsa-cli==|Version )(\d+\.\d+\.\d+)", pages)} == {VERSION}
    assert (TEMPLATE / "requirements.txt").read_text() == f"irsa-cli=={VERSION}\n"
    first = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first
    assert first[1] in (VERSION, f"{VERSION}, not released yet")


def test_the_template_is_the_project_of_this_checkout() -> None:
    ours, theirs = (yaml.safe_load((folder / "Pulumi.yaml").read_text()) for folder in (ROOT, TEMPLATE))

    assert {key: value for key, value in theirs.items() if key != "template"} == ours
    assert (TEMPLATE / "__main__.py").read_text() == (ROOT / "__main__.py").read_text()


def test_an_install_from_a_clone_stands_in_one_box() -> None:
    """Protects whoever installs before the first release, when an index may have these names from somebody else.

    The box goes with the release: the changelog's heading and it say the same.
    """
    clone = re.compile(r"^(?:> )?\$ .*(?:install|requirements\.txt).*(?:\$IRSA|\./)/?(?:components|cli)", re.MULTILINE)
    found = [str(page.relative_to(ROOT)) for page in DOCUMENTING if clone.search(page.read_text())]
    not_released = f"## {VERSION}, not released yet\n" in (ROOT / "CHANGELOG.md").read_text()

    assert found == (["docs/guides/first-role.md"] if not_released else [])


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
