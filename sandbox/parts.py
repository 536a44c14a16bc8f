"""The programs that the sandbox runs: taken where they are installed, else built from pinned Go modules."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sandbox.layout import Sandbox, SandboxError, cache_folder, refused_by_disk
from sandbox.locks import held
from sandbox.step_progress import StepProgress
from sandbox.toolchains import LOCAL, find_go, program_version
from sandbox.versions import FLAGS, MODULES, PARTS, SDK_GENERATOR, YAML_HOST, Part, official_parts


def prepare_parts(sandbox: Sandbox, progress: StepProgress, environment: Mapping[str, str] = os.environ) -> None:
    """Link every program into the sandbox's folder, and build those that are not installed."""
    installed = find_all(environment)
    official = official_parts(environment)
    build([*to_build(installed), *official], progress, environment)
    host = sandbox.programs / YAML_HOST.name
    if official:
        _place(YAML_HOST.program(environment), host)
    else:
        host.unlink(missing_ok=True)
    for part, program in installed.items():
        if program is not None:
            _place(program, sandbox.programs / part.name)
            for name in filter(None, [part.beside]):
                _place(program.parent / name, sandbox.programs / name)
            continue
        # The engine looks for its language hosts beside its real path and warns about others, so it is copied here: a
        # symbolic link would lead it to the shared cache.
        _place(part.program(environment), sandbox.programs / part.name, copy=bool(part.beside))
        if part.beside:
            _place(SDK_GENERATOR.program(environment), sandbox.programs / SDK_GENERATOR.name)


def to_build(installed: Mapping[Part, Path | None]) -> list[Part]:
    """Return what is not installed: with an engine, what its language hosts would bring."""
    absent = [part for part, program in installed.items() if program is None]
    return absent + [SDK_GENERATOR] * any(part.beside for part in absent)


def find_all(environment: Mapping[str, str]) -> dict[Part, Path | None]:
    return {part: find_installed(part, environment) for part in PARTS}


def find_installed(part: Part, environment: Mapping[str, str]) -> Path | None:
    """Return an installed program of a version that fits, else None."""
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    folders = [*filter(None, [assets]), *environment.get("PATH", "").split(os.pathsep)]
    for folder in dict.fromkeys(folders):
        # What a sandbox has, this one or that of another checkout, is removed with it.
        if not folder or all(each.is_dir() for each in Sandbox(Path(folder).resolve().parent).folders):
            continue
        program = Path(folder) / part.name
        if not os.access(program, os.X_OK) or not program.is_file():
            continue
        if part.beside and not (program.resolve().parent / part.beside).exists():
            continue
        version = program_version(program, *part.version_command)
        if version is not None and part.fits(version):
            return program.resolve() if part.beside else program
    return None


def build(parts: Sequence[Part], progress: StepProgress, environment: Mapping[str, str] = os.environ) -> None:
    """Build the parts that are missing or incomplete in the shared cache, all those of a module at once."""
    wanted = {module: absent for module in FLAGS if (absent := _absent(parts, module, environment))}
    go = {module: find_go(MODULES / module, environment, progress) for module in wanted}
    cache = cache_folder(environment)
    with ExitStack() as ahead:
        for module in [*wanted][1:]:
            _download_ahead(go[module], module, wanted[module], environment, ahead)
        for module, own in wanted.items():
            cache.mkdir(parents=True, exist_ok=True)
            waiting = f"  {', '.join(map(str, own))}: another clone is building, waiting for that"
            with held(cache / f"{module}.lock", waiting, progress):
                # Another clone may have built them meanwhile.
                if absent := _absent(own, module, environment):
                    _build_module(go[module], module, absent, progress, environment)


def _absent(parts: Sequence[Part], module: str, environment: Mapping[str, str]) -> list[Part]:
    return [part for part in parts if part.module == module and not _complete(part, environment)]


def _complete(part: Part, environment: Mapping[str, str]) -> bool:
    """Return whether the built program is there and whole: its size is recorded when it is built."""
    try:
        record = json.loads((part.folder(environment) / "built.json").read_text())
        return bool(part.program(environment).stat().st_size == record["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _download_ahead(
    go: str, module: str, parts: Sequence[Part], environment: Mapping[str, str], ahead: ExitStack
) -> None:
    """Download a module's packages while another one is built; the build itself reports what fails."""
    command = [go, "list", *FLAGS[module], "-deps", *(part.package for part in parts)]
    process = ahead.enter_context(subprocess.Popen(command, **_surroundings(module, environment)))
    ahead.callback(process.terminate)


def _surroundings(module: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return where and how Go runs: no C compiler is needed, and the caller's Go settings change nothing."""
    fixed = {**LOCAL, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GO111MODULE": "on"}
    # A compiler collects no garbage below the limit, which took a quarter of its time; few of them get as far.
    quick = {"GOGC": "off", "GOMEMLIMIT": "512MiB"}
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return {**quiet, "cwd": MODULES / module, "env": {**environment, **fixed, **quick}}


def _build_module(
    go: str, module: str, parts: Sequence[Part], progress: StepProgress, environment: Mapping[str, str]
) -> None:
    names = ", ".join(map(str, parts))
    cache = cache_folder(environment)
    # Only a build that was killed leaves one, since this process holds the lock.
    for stale in cache.glob(f"{module}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    # Beside its final place, so that the rename at the end is atomic; a build that is cut off leaves no folder.
    with tempfile.TemporaryDirectory(prefix=f"{module}.partial-", dir=cache) as output:
        command = [go, "build", "-v", "-trimpath", *FLAGS[module], "-o", f"{output}/"]
        with progress.step(module, f"building {names} with Go") as detail:
            failed = _run([*command, *(part.package for part in parts)], module, detail, environment)
            if failed or not all((Path(output) / part.file_name).exists() for part in parts):
                raise SandboxError(f"{names}: go build failed in sandbox/go/{module}:\n{failed}")
            detail.append(f"built {names}")
        for part in parts:
            _keep(Path(output), part, environment)


def _keep(output: Path, part: Part, environment: Mapping[str, str]) -> None:
    """Move a program that is built into its folder in the shared cache."""
    whole, folder = output / f"{part.name}.whole", part.folder(environment)
    whole.mkdir()
    (output / part.file_name).rename(whole / part.name)
    size = (whole / part.name).stat().st_size
    (whole / "built.json").write_text(json.dumps({"package": part.package, "size": size}))
    shutil.rmtree(folder, ignore_errors=True)
    whole.rename(folder)


def _run(command: Sequence[str], module: str, detail: list[str], environment: Mapping[str, str]) -> str:
    """Run `go build`, report how far it is, and return its last lines if it fails."""
    started, modules, packages = detail[-1], 0, 0
    last: deque[str] = deque(maxlen=15)
    options = {**_surroundings(module, environment), "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                last.append(line.rstrip())
                downloads = line.startswith("go: ")
                modules, packages = modules + downloads, packages + (not downloads)
                so_far = f"{packages} packages" if packages else f"{modules} modules downloaded"
                detail[:] = [f"{started}, {so_far} so far"]
        except BaseException:
            process.terminate()
            raise
    return "\n".join(last) or "it said nothing" if process.returncode else ""


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


def main() -> int:
    """Build what is not installed, before anything else is: of other packages only filelock and rich are needed."""
    try:
        build(to_build(find_all(os.environ)), StepProgress())
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(refused_by_disk(error, cache_folder(os.environ)))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
