"""The programs that the sandbox runs: taken where they are installed, else built from pinned Go modules."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import CHECKOUT, Sandbox, SandboxError, cache_folder, machine
from sandbox.locks import held
from sandbox.step_progress import StepProgress

MODULES = CHECKOUT / "sandbox" / "go"
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
KUBERNETES_VERSION_FLAGS = "-X k8s.io/component-base/version.git"


@dataclass(frozen=True)
class Part:
    """A program, the Go package that it is built from, and which installed versions are used instead."""

    name: str
    version: str
    module: str
    package: str
    version_command: tuple[str, ...]
    fits_from: tuple[int, int]
    fits_below: tuple[int, int]
    ldflags: str = ""
    beside: str = ""

    def fits(self, version: tuple[int, int, int]) -> bool:
        return self.fits_from <= version[:2] < self.fits_below


def _kubernetes(name: str, fits_from: tuple[int, int], fits_below: tuple[int, int], *version_command: str) -> Part:
    return Part(
        name=name,
        version="1.37.2",
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        version_command=version_command,
        fits_from=fits_from,
        fits_below=fits_below,
        ldflags=" ".join(
            f"{KUBERNETES_VERSION_FLAGS}{key}={value}"
            for key, value in {"Version": "v1.37.2", "Major": "1", "Minor": "37"}.items()
        ),
    )


# Which versions may stand together: https://kubernetes.io/releases/version-skew-policy/ (controllers are never newer
# than the API server and at most one minor older; kubectl is within one minor of it).
PARTS = (
    Part(
        name="pulumi",
        version="3.259.0",
        module="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        version_command=("version",),
        fits_from=(3, 259),
        fits_below=(4, 0),
        ldflags="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
        beside="pulumi-language-python",
    ),
    Part(
        name="etcd",
        version="3.7.3",
        module="etcd",
        package="go.etcd.io/etcd/server/v3",
        version_command=("--version",),
        fits_from=(3, 6),
        fits_below=(4, 0),
    ),
    _kubernetes("kube-apiserver", (1, 37), (1, 39), "--version"),
    _kubernetes("kube-controller-manager", (1, 37), (1, 38), "--version"),
    _kubernetes("kubectl", (1, 36), (1, 39), "version", "--client"),
)

# An official language host generates SDKs itself. The version has the digest of the source, for the shared cache.
SDK_GENERATOR = Part(
    name="pulumi-sdk-generator",
    version=f"3.259.0-{hashlib.sha256((MODULES / 'pulumi/sdk-generator/main.go').read_bytes()).hexdigest()[:12]}",
    module="pulumi",
    package="./sdk-generator",
    version_command=(),
    fits_from=(0, 0),
    fits_below=(0, 0),
)


def prepare_parts(sandbox: Sandbox, progress: StepProgress, environment: Mapping[str, str] = os.environ) -> None:
    """Link every program into the sandbox's folder, and build those that are not installed."""
    for part in PARTS:
        target = sandbox.programs / part.name
        installed = find_installed(part, environment, exclude=sandbox.programs)
        if installed is not None:
            _place(installed, target)
            for name in filter(None, [part.beside]):
                _place(installed.parent / name, sandbox.programs / name)
            continue
        built = build(part, progress, environment)
        # The engine looks for its language hosts beside its real path and warns about others, so it is copied here: a
        # symbolic link would lead it to the shared cache.
        _place(built, target, copy=bool(part.beside))
        if part.beside:
            _place(build(SDK_GENERATOR, progress, environment), sandbox.programs / SDK_GENERATOR.name)


def find_installed(part: Part, environment: Mapping[str, str], exclude: Path) -> Path | None:
    """Return an installed program of a version that fits, else None."""
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    folders = [*filter(None, [assets]), *environment.get("PATH", "").split(os.pathsep)]
    for folder in dict.fromkeys(folders):
        if not folder or Path(folder).resolve() == exclude.resolve():
            continue
        program = Path(folder) / part.name
        if not os.access(program, os.X_OK) or not program.is_file():
            continue
        if part.beside and not (program.resolve().parent / part.beside).exists():
            continue
        version = installed_version(part, program)
        if version is not None and part.fits(version):
            return program.resolve() if part.beside else program
    return None


def installed_version(part: Part, program: Path) -> tuple[int, int, int] | None:
    """Return a program's version, None if it does not tell it."""
    try:
        answer = subprocess.run(
            [program, *part.version_command],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = VERSION.search(answer.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def build(part: Part, progress: StepProgress, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the part from the shared cache; build it there first where it is missing or incomplete."""
    cache = cache_folder(environment)
    folder = cache / f"{part.name}-{part.version}-{machine()}"
    program = folder / part.name
    if _complete(folder, part):
        return program
    cache.mkdir(parents=True, exist_ok=True)
    waiting = f"  {part.name}: another clone is building it, waiting for that"
    with held(cache / f"{folder.name}.lock", waiting, progress):
        if not _complete(folder, part):
            _build_into(folder, part, progress, environment)
    return program


def _complete(folder: Path, part: Part) -> bool:
    """Return whether the built program is there and whole: its size is recorded when it is built."""
    try:
        record = json.loads((folder / "built.json").read_text())
        return bool((folder / part.name).stat().st_size == record["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _build_into(folder: Path, part: Part, progress: StepProgress, environment: Mapping[str, str]) -> None:
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise SandboxError(
            f"{part.name} {part.version} is not installed and there is no Go to build it: install Go 1.26 or newer "
            f"(https://go.dev/dl) or {part.name} itself, then run the same command again."
        )
    # Beside its final place, so that the rename at the end is atomic; a build that is cut off leaves no `folder`.
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.partial-", dir=folder.parent) as name:
        partial = Path(name) / "build"
        partial.mkdir()
        with progress.step(part.name, f"building {part.version} with Go") as detail:
            _go_build(go, part, partial / part.name, detail, environment)
            detail.append(f"built {part.version}")
        size = (partial / part.name).stat().st_size
        (partial / "built.json").write_text(json.dumps({"package": part.package, "size": size}))
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def _go_build(go: str, part: Part, output: Path, detail: list[str], environment: Mapping[str, str]) -> None:
    flags = f"-s -w {part.ldflags}".strip()
    # No C compiler is needed, and the caller's Go settings do not change what is built.
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GO111MODULE": "on"}
    started = detail[-1]
    with subprocess.Popen(
        [go, "build", "-v", "-trimpath", f"-ldflags={flags}", "-o", str(output), part.package],
        cwd=MODULES / part.module,
        env={**environment, **fixed},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        last: deque[str] = deque(maxlen=15)
        assert process.stderr is not None
        try:
            for count, line in enumerate(process.stderr, start=1):
                last.append(line.rstrip())
                detail[:] = [f"{started}, {count} packages so far"]
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0 or not output.exists():
        raise SandboxError(f"{part.name}: go build failed in sandbox/go/{part.module}:\n" + "\n".join(last))


def _place(program: Path, target: Path, *, copy: bool = False) -> None:
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    if not copy:
        if target.is_symlink() and target.readlink() == program:
            return
        temporary.symlink_to(program)
    else:
        if target.exists() and not target.is_symlink() and target.stat().st_size == program.stat().st_size:
            return
        try:
            os.link(program, temporary)
        except OSError:
            shutil.copy2(program, temporary)
    temporary.replace(target)
