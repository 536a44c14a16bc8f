"""The programs that the sandbox runs: built from pinned Go modules, except an engine that is already installed."""

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.layout import Sandbox, SandboxError, cache_folder, in_terminal
from sandbox.locks import held
from sandbox.step_progress import StepProgress
from sandbox.toolchains import LOCAL, find_go, program_version
from sandbox.versions import (
    ENGINES,
    FLAGS,
    LANGUAGE_HOST,
    MODULES,
    OF_KUBERNETES,
    PULUMI,
    SDK_GENERATOR,
    YAML_HOST,
    Part,
    official_parts,
)


def prepare_parts(sandbox: Sandbox, progress: StepProgress, environment: Mapping[str, str] = os.environ) -> None:
    """Link every program into the sandbox's folder, and build those that are not there."""
    engine, official = installed_engine(environment), official_parts(environment)
    build([*to_build(engine), *official], progress, environment)
    programs = {part.name: part.program(environment) for part in (*to_build(engine), *official) if part.linked}
    if engine:
        programs |= {name: engine.with_name(name) for name in (PULUMI.name, LANGUAGE_HOST)}
    for name in (*programs, YAML_HOST.name):
        (sandbox.programs / name).unlink(missing_ok=True)
    for name, program in programs.items():
        target = sandbox.programs / name
        # An engine looks for its language hosts beside its real path and warns about others: one that is built is
        # copied, since a symbolic link would lead it to the shared cache.
        if name == PULUMI.name and not engine:
            try:
                target.hardlink_to(program)
            except OSError:
                shutil.copy2(program, target)
        else:
            target.symlink_to(program)


def to_build(engine: Path | None) -> tuple[Part, ...]:
    """Return what is built: with an engine, what its language hosts would bring."""
    return OF_KUBERNETES if engine else (PULUMI, SDK_GENERATOR, *OF_KUBERNETES)


def installed_engine(environment: Mapping[str, str]) -> Path | None:
    """Return an installed engine of a fitting version with its language host beside it, but none of a sandbox."""
    for folder in environment.get("PATH", "").split(os.pathsep):
        program = (Path(folder) / PULUMI.name).resolve()
        # What a sandbox has, this one or that of another checkout, is removed with it.
        if not folder or all(each.is_dir() for each in Sandbox(Path(folder).resolve().parent).folders):
            continue
        if program.with_name(LANGUAGE_HOST).exists() and ENGINES[0] <= program_version(program, "version") < ENGINES[1]:
            return program
    return None


def build(parts: Sequence[Part], progress: StepProgress, environment: Mapping[str, str] = os.environ) -> None:
    """Build the parts that are missing in the shared cache, all those of a module at once."""
    cache = cache_folder(environment)
    for module in FLAGS:
        absent = _absent(parts, module, environment)
        if absent:
            cache.mkdir(parents=True, exist_ok=True)
            waiting = f"  {', '.join(map(str, absent))}: another clone is building, waiting for that"
            with held(cache / f"{module}.lock", waiting, progress):
                # Another clone may have built them meanwhile.
                _build(module, _absent(parts, module, environment), progress, environment)


def _absent(parts: Sequence[Part], module: str, environment: Mapping[str, str]) -> list[Part]:
    return [part for part in parts if part.module == module and not part.program(environment).exists()]


def _build(module: str, parts: Sequence[Part], progress: StepProgress, environment: Mapping[str, str]) -> None:
    if not parts:
        return
    names, output = ", ".join(map(str, parts)), cache_folder(environment) / f"{module}.partial"
    go = find_go(MODULES / module, environment, progress)
    # One that was killed leaves it.
    shutil.rmtree(output, ignore_errors=True)
    command = [go, "build", "-v", "-trimpath", *FLAGS[module], "-o", f"{output}/", *(part.package for part in parts)]
    with progress.step(module, f"building {names} with Go") as detail:
        failed = _run(command, module, detail, environment)
        if failed:
            raise SandboxError(f"{names}: go build failed in sandbox/go/{module}:\n{failed}")
        detail.append(f"built {names}")
    for part in parts:
        part.program(environment).parent.mkdir(exist_ok=True)
        # What is there is whole: a rename is atomic.
        (output / part.file_name).rename(part.program(environment))
    output.rmdir()


def _run(command: Sequence[str], module: str, detail: list[str], environment: Mapping[str, str]) -> str:
    """Run `go build`, report how far it is, and return its last lines if it fails."""
    started, modules, packages = detail[-1], 0, 0
    last: deque[str] = deque(maxlen=15)
    # No C compiler is needed, and the caller's Go settings change nothing.
    fixed = {**LOCAL, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GO111MODULE": "on"}
    # A compiler collects no garbage below the limit, which took a quarter of its time; few of them get as far.
    quick = {"GOGC": "off", "GOMEMLIMIT": "512MiB"}
    with subprocess.Popen(
        command,
        cwd=MODULES / module,
        env={**environment, **fixed, **quick},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
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


def build_first() -> int:
    """Build the missing programs. It runs before all requirements are installed, and imports only filelock and rich."""
    build(to_build(installed_engine(os.environ)), StepProgress())
    return 0


if __name__ == "__main__":
    sys.exit(in_terminal(build_first, cache_folder(os.environ)))
