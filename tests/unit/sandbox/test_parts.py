"""Where the sandbox's programs come from."""

import errno
import json
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

import sandbox.__main__ as commands
from sandbox import parts
from sandbox.engine import prepare_engine
from sandbox.layout import CHECKOUT, Sandbox, SandboxError, machine
from sandbox.parts import build, find_installed, prepare_parts
from sandbox.step_progress import StepProgress
from sandbox.versions import MODULES, OFFICIAL, PARTS, SDK_GENERATOR, YAML_HOST, Part

MODULE_OF = {
    "pulumi": "github.com/pulumi/pulumi/pkg/v3",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes",
    "kube-controller-manager": "k8s.io/kubernetes",
    "kubectl": "k8s.io/kubernetes",
    "pulumi-resource-kubernetes": "github.com/pulumi/pulumi-kubernetes/provider/v4",
    "pulumi-language-yaml": "github.com/pulumi/pulumi-yaml",
}
# https://kubernetes.io/releases/version-skew-policy/ for an API server of 1.37.
SKEW = [
    ("kube-apiserver", (1, 36, 9), False),
    ("kube-apiserver", (1, 37, 0), True),
    ("kube-controller-manager", (1, 36, 1), False),
    ("kube-controller-manager", (1, 37, 5), True),
    ("kube-controller-manager", (1, 38, 0), False),
    ("kubectl", (1, 35, 9), False),
    ("kubectl", (1, 36, 0), True),
    ("kubectl", (1, 38, 2), True),
    ("pulumi", (3, 100, 0), False),
    ("pulumi", (3, 259, 0), True),
    ("pulumi", (4, 0, 0), False),
]
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


def part(name: str) -> Part:
    return next(entry for entry in PARTS if entry.name == name)


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def toolchain(tmp_path: Path) -> dict[str, str]:
    """An environment whose only program is a stand-in for Go."""
    folder = tmp_path / "go"
    folder.mkdir()
    (folder / "go").write_text(GO)
    (folder / "go").chmod(0o755)
    return {
        "PATH": f"{folder}:/usr/bin:/bin",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GO_CALLS": str(tmp_path / "calls"),
    }


@pytest.mark.parametrize("entry", [*PARTS, *OFFICIAL], ids=lambda entry: entry.name)
def test_the_version_in_the_table_is_the_one_that_go_builds(entry: Part) -> None:
    """A cache folder named after a version must hold that version."""
    module = (MODULES / entry.module / "go.mod").read_text()
    required = re.search(rf"^\s*(?:require )?{re.escape(MODULE_OF[entry.name])} v(\S+)", module, re.MULTILINE)
    assert required is not None
    # A program of our own has a digest after it.
    assert re.fullmatch(f"{re.escape(required[1])}(-[0-9a-f]{{12}})?", entry.version)


def test_the_generator_of_sdks_comes_with_an_engine_that_is_built(toolchain: dict[str, str], tmp_path: Path) -> None:
    """An engine without its official language host generates SDKs only with the program beside it."""
    sandbox = Sandbox(tmp_path / "sandbox")
    sandbox.prepare()
    prepare_parts(sandbox, StepProgress(), toolchain)
    assert (sandbox.programs / SDK_GENERATOR.name).exists()
    assert "/cmd/pulumi ./sdk-generator\n" in Path(toolchain["GO_CALLS"]).read_text()


def test_the_official_programs_are_built_only_where_they_are_asked_for(
    toolchain: dict[str, str], tmp_path: Path
) -> None:
    """Nobody waits a quarter of an hour for programs that `make up` does not run; and none of them is left in use."""
    sandbox = Sandbox(tmp_path / "sandbox")
    sandbox.prepare()
    for asked, expected in (("", False), ("built", True), ("", False)):
        prepare_parts(sandbox, StepProgress(), {**toolchain, "OFFICIAL": asked})
        assert (sandbox.programs / YAML_HOST.name).exists() is expected
    built = Path(toolchain["GO_CALLS"]).read_text()
    assert built.count("/ ./plugin\n") == built.count("/cmd/pulumi-language-yaml\n") == 1


@pytest.mark.parametrize(("name", "version", "fits"), SKEW)
def test_an_installed_program_is_used_only_where_versions_may_stand_together(
    name: str, version: tuple[int, int, int], fits: bool
) -> None:
    """Kubernetes says which versions work with each other; others would fail in ways that are hard to read."""
    assert part(name).fits(version) is fits


def test_an_installed_program_of_another_version_is_passed_over(tmp_path: Path) -> None:
    """The first fitting program on PATH wins, not the first of that name."""
    old = program(tmp_path / "old", "kubectl", "Client Version: v1.20.0")
    new = program(tmp_path / "new", "kubectl", "Client Version: v1.37.1")
    environment = {"PATH": f"{old.parent}:{new.parent}"}
    assert find_installed(part("kubectl"), environment) == new


def test_assets_of_envtest_are_found(tmp_path: Path) -> None:
    """Users of controller-runtime's envtest have the API server in KUBEBUILDER_ASSETS, not on PATH."""
    server = program(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.37.0")
    environment = {"PATH": "", "KUBEBUILDER_ASSETS": str(server.parent)}
    assert find_installed(part("kube-apiserver"), environment) == server


def test_an_engine_without_its_language_host_is_not_used(tmp_path: Path) -> None:
    """An engine from a package that leaves the Python language host out could not run our program."""
    engine = program(tmp_path / "bin", "pulumi", "v3.260.0")
    environment = {"PATH": str(engine.parent)}
    assert find_installed(part("pulumi"), environment) is None
    program(engine.parent, "pulumi-language-python", "")
    assert find_installed(part("pulumi"), environment) == engine


def test_a_clone_is_whole_when_the_one_that_its_shell_had_sourced_is_gone(
    toolchain: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another sandbox has is not installed: it is removed with its clone. Links to it are replaced."""
    mine, other = Sandbox(tmp_path / "mine"), Sandbox(tmp_path / "other")
    for sandbox in (mine, other):
        sandbox.prepare()
    for name, says in (("kubectl", "v1.37.1"), ("pulumi", "v3.260.0"), ("pulumi-language-python", "")):
        (mine.programs / name).symlink_to(program(other.programs, name, says))
    environment = {**toolchain, "PATH": f"{other.programs}:{toolchain['PATH']}"}
    monkeypatch.setattr("sandbox.engine.install_plugins", lambda *_: None)
    prepare_parts(mine, StepProgress(), environment)
    prepare_engine(mine, environment, StepProgress())
    shutil.rmtree(other.folder)
    assert [each.name for each in mine.programs.iterdir() if not each.exists()] == []
    assert str(CHECKOUT / "sandbox" / "language_host.py") in (mine.programs / "pulumi-language-python").read_text()


def test_a_program_is_built_once_for_all_clones(toolchain: dict[str, str]) -> None:
    """Two clones that need the same program at the same time build it once, and both get it."""
    threads = [threading.Thread(target=build, args=([part("etcd")], StepProgress(), toolchain)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = Path(toolchain["XDG_CACHE_HOME"]) / "irsa" / f"etcd-3.7.0-{machine()}" / "etcd"
    assert os.access(expected, os.R_OK)
    assert len(Path(toolchain["GO_CALLS"]).read_text().splitlines()) == 1


@pytest.mark.parametrize("damage", ["truncated", "no record", "no program"])
def test_a_half_built_program_is_built_again(toolchain: dict[str, str], damage: str) -> None:
    """A full disk or a kill in the middle of a build must not leave a program that can never start."""
    build([part("etcd")], StepProgress(), toolchain)
    built = part("etcd").program(toolchain)
    whole = built.read_bytes()
    if damage == "truncated":
        built.write_bytes(whole[:5])
    else:
        (built.parent / "built.json" if damage == "no record" else built).unlink()
    build([part("etcd")], StepProgress(), toolchain)
    assert built.read_bytes() == whole
    assert json.loads((built.parent / "built.json").read_text())["size"] == len(whole)
    assert len(Path(toolchain["GO_CALLS"]).read_text().splitlines()) == 2


def test_the_programs_of_a_module_are_built_at_once_and_the_missing_ones_alone(toolchain: dict[str, str]) -> None:
    """One call compiles what they share once and links them side by side; what is there already is not linked again."""
    kubernetes = [entry for entry in PARTS if entry.module == "kubernetes"]
    build([part("etcd")], StepProgress(), toolchain)
    build(kubernetes, StepProgress(), toolchain)
    first, second = Path(toolchain["GO_CALLS"]).read_text().splitlines()
    assert first.endswith("/ go.etcd.io/etcd/server/v3")
    assert second.endswith("/ k8s.io/kubernetes/cmd/kube-apiserver ./controllers k8s.io/kubernetes/cmd/kubectl")
    assert all(os.access(entry.program(toolchain), os.R_OK) for entry in kubernetes)


def test_the_rest_of_a_killed_build_is_removed(toolchain: dict[str, str]) -> None:
    """A build that is killed leaves gigabytes, which nobody would find."""
    rest = Path(toolchain["XDG_CACHE_HOME"]) / "irsa" / "kubernetes.partial-killed"
    rest.mkdir(parents=True)
    build([part("etcd")], StepProgress(), toolchain)
    assert not rest.exists()


@pytest.mark.parametrize("refusal", [errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("main", [parts.main, lambda: commands.main(["programs"])], ids=["parts", "programs"])
def test_a_cache_that_cannot_be_written_is_one_line(
    main: Callable[[], int],
    refusal: int,
    toolchain: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Protects from a traceback: a home that is read-only, or a lock file of another user, is named with a way out."""

    def held(path: Path, *_: object) -> NoReturn:
        raise OSError(refusal, os.strerror(refusal), str(path))

    folder, cache = toolchain["PATH"].split(":")[0], Path(toolchain["XDG_CACHE_HOME"])
    monkeypatch.setattr(commands, "checkout_sandbox", lambda: Sandbox(cache / "sandbox"))
    monkeypatch.setattr(parts, "held", held)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PATH", folder)
    do = "Free some space" if refusal == errno.ENOSPC else "Make it writable, or .* set XDG_CACHE_HOME to .*"

    assert main() == 1
    said = capsys.readouterr().err
    assert re.fullmatch(f"{os.strerror(refusal)}: {cache}/irsa/.*\\.lock. {do}, then run the same .* again.\n", said)


def test_a_failed_build_shows_what_go_said_and_leaves_nothing(toolchain: dict[str, str]) -> None:
    """The reason of a failed build is Go's own; the cache holds no folder that looks built."""
    go = Path(toolchain["PATH"].split(":")[0]) / "go"
    go.write_text("#!/bin/sh\necho go1.26.0\necho 'disk quota exceeded' >&2\n[ $1 = version ]\n")
    with pytest.raises(SandboxError, match="disk quota exceeded"):
        build([part("etcd")], StepProgress(), toolchain)
    assert [path.name for path in (Path(toolchain["XDG_CACHE_HOME"]) / "irsa").iterdir() if path.is_dir()] == []


def test_the_time_includes_what_make_did_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects who waits for the first `make up`: its time is not that of the last minute alone."""
    monkeypatch.setattr(commands, "checkout_sandbox", lambda: Sandbox(tmp_path))
    monkeypatch.setitem(commands.COMMANDS, "programs", lambda _, progress: progress.say(progress.summary()))
    monkeypatch.setenv("MAKE_STARTED", str(time.time() - 60))

    assert commands.main(["programs"]) == 0
    assert capsys.readouterr().out == "1 min 0 s: environment 1 min 0 s\n"
