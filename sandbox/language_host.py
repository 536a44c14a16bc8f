"""Pulumi's language host for Python, for an engine that has none beside it.

Official installs of the engine bring a program `pulumi-language-python`; no package registry has it. This is the same
gRPC service. Like that one, it runs each program in a process of its own with the project's virtual environment:

    python language_host.py <engine address>     serve; the port is printed on the first line
    python language_host.py --run <descriptor>   run one program; its RunRequest comes on standard input
"""

import asyncio
import contextlib
import importlib.metadata
import os
import runpy
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.automation._server import LanguageServer
from pulumi.runtime import settings
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

MESSAGE_BYTES = 400 * 1024 * 1024
RUN = "--run"
SDK_GENERATOR = "pulumi-sdk-generator"
INTERRUPTED = 130
# The traceback of a program starts in the program.
RUNNER_FRAMES = (__file__, runpy.__file__, "<frozen runpy>")
sdk_exception = settings.grpc_error_to_exception

children: set["subprocess.Popen[bytes]"] = set()


# --- the program's own process ---------------------------------------------------------------------------------------


def run_program(descriptor: int) -> None:
    """Run one program and write the RunResponse to a file descriptor."""
    # The engine interrupts its plugins' process groups when it is done with them: that is no error of the program.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    folder = Path(request.info.program_directory or request.pwd)
    entry = (folder / (request.info.entry_point or ".")).resolve()
    program = entry / "__main__.py" if entry.is_dir() else entry
    os.chdir(request.pwd or folder)
    sys.path.insert(0, str(program.parent))
    sys.argv = [str(program), *request.args[1:]]
    settings.grpc_error_to_exception = _exception_of
    host: Any = LanguageServer(lambda: _run_file(program, request.info.root_directory))
    try:
        answer = host.Run(request, None)
    except (pulumi.RunError, asyncio.InvalidStateError) as error:
        # The service logs the first error, and cancels what is pending, in the order of a set: that may fail once more
        # for the same reason, or set the result of what was cancelled before.
        answer = language_pb2.RunResponse(error=str(error))
    # What went wrong has been logged to the engine already; a second report of it would only be noise.
    answer.bail, answer.error = bool(answer.error), ""
    with os.fdopen(descriptor, "wb") as output:
        output.write(answer.SerializeToString())


def _exception_of(exn: Any) -> Exception:
    """Return what a failed call raises: where the engine stopped the program, it has already said why."""
    if exn.details() == "resource monitor shut down":
        return pulumi.RunError("the engine has stopped the program")
    return sdk_exception(exn)


def _run_file(program: Path, root: str) -> None:
    # The one setting that the service leaves out; pulumi.runtime.get_root_directory() reads it.
    settings.SETTINGS.root_directory = root
    try:
        runpy.run_path(str(program), run_name="__main__")
    except pulumi.RunError:
        raise
    except SystemExit as error:
        if error.code not in (None, 0):
            raise pulumi.RunError(f"the program ended with: {error.code}") from None
    except Exception as error:
        raise pulumi.RunError(f"Program failed with an unhandled exception:\n{_traceback(error)}") from None


def _traceback(error: BaseException) -> str:
    frames = traceback.TracebackException.from_exception(error)
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if frame.filename not in RUNNER_FRAMES]
    )
    return "".join(frames.format()).rstrip()


# --- where a program's Python is -------------------------------------------------------------------------------------


class MissingVirtualEnvironmentError(Exception):
    """The folder that Pulumi.yaml names does not exist or has no Python."""


def python_of(info: language_pb2.ProgramInfo, default: str = "") -> str:
    """Return the interpreter that Pulumi.yaml's `virtualenv` option names, else the `python3` on PATH."""
    virtualenv = _virtualenv(info, default)
    if virtualenv is None:
        return shutil.which("python3") or shutil.which("python") or sys.executable
    python = virtualenv / "bin" / "python"
    if not python.exists():
        raise MissingVirtualEnvironmentError(
            f"The 'virtualenv' option in Pulumi.yaml is set to {virtualenv}, which holds no Python: "
            "run `pulumi install` to create it and install its dependencies."
        )
    return str(python)


def _virtualenv(info: language_pb2.ProgramInfo, default: str = "") -> Path | None:
    options: dict[str, Any] = dict(info.options)
    name = options.get("virtualenv") or default
    return Path(info.root_directory) / str(name) if name else None


def environment_of(python: str) -> dict[str, str]:
    """Return the variables of an activated virtual environment."""
    folder = Path(python).parent
    activated = {"PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}
    if (folder.parent / "pyvenv.cfg").exists():
        activated["VIRTUAL_ENV"] = str(folder.parent)
    # What the engine's caller has of them is nothing of the program's: the official host sets both itself.
    left_out = {"PYTHONHOME", "PYTHONPATH", "PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, **activated}


# --- the service -----------------------------------------------------------------------------------------------------


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """What the engine asks of a language."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def GetPluginInfo(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Name no package: each SDK gives the engine its version, and the plugins are there already."""
        return language_pb2.GetRequiredPackagesResponse()

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        python = _python_or_abort(request.info, context)
        # The service that runs the program takes the engine's address from its first argument.
        request.args[:] = [self.engine, *request.args]
        receiving, sending = os.pipe()
        with _spawn(
            [python, "-P", __file__, RUN, str(sending)],
            env=environment_of(python),
            stdin=subprocess.PIPE,
            pass_fds=[sending],
        ) as process:
            os.close(sending)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(request.SerializeToString())
                process.stdin.close()
            with os.fdopen(receiving, "rb") as answer:
                response = answer.read()
            code = process.wait()
        if code == INTERRUPTED:
            return language_pb2.RunResponse(bail=True)
        # A program that went well answers with an empty message.
        if code:
            return language_pb2.RunResponse(error=f"the program ended with code {code}")
        return language_pb2.RunResponse.FromString(response)

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Create the virtual environment and install the project's requirements."""
        folder = Path(request.info.program_directory or request.directory)
        virtualenv = _virtualenv(request.info, default="venv" if request.is_plugin else "")
        commands = []
        if virtualenv is not None and not (virtualenv / "bin" / "python").exists():
            commands.append([sys.executable, "-m", "venv", str(virtualenv)])
        python = str(virtualenv / "bin" / "python") if virtualenv else python_of(request.info)
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        if (folder / "requirements.txt").exists():
            commands.append([*pip, "-r", "requirements.txt"])
        for command in commands:
            code = yield from _stream(command, folder, environment_of(python), language_pb2.InstallDependenciesResponse)
            if code:
                context.abort(grpc.StatusCode.UNKNOWN, f"{' '.join(command)} ended with code {code}")

    def GeneratePackage(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Generate an SDK with the program beside the engine: no package registry has the generators for Python."""
        generator = shutil.which(SDK_GENERATOR)
        if generator is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no {SDK_GENERATOR} on PATH: `make up` builds it")
        with _spawn(
            [str(generator), "python"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            answer, errors = process.communicate(request.SerializeToString())
        if process.returncode:
            context.abort(grpc.StatusCode.UNKNOWN, errors.decode(errors="replace").strip())
        return language_pb2.GeneratePackageResponse.FromString(answer)

    def Link(self, request: language_pb2.LinkRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Add the folders of SDKs to requirements.txt, as the official host does for pip."""
        root = Path(request.info.root_directory)
        requirements = root / "requirements.txt"
        if not requirements.exists():
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no {requirements}: create one, which may be empty")
        lines = requirements.read_text().splitlines()
        folders = [package.path for package in request.packages]
        requirements.write_text("".join(f"{line}\n" for line in dict.fromkeys([*lines, *folders])))
        imports = "".join(
            f"\n  import {plugin.parent.name} as {package.package.name}"
            for package in request.packages
            for plugin in sorted((root / package.path).glob("*/pulumi-plugin.json"))
        )
        return language_pb2.LinkResponse(import_instructions=f"Import it in your program:\n{imports}\n")

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Run a plugin that is written in Python, by its folder's __main__.py."""
        folder = Path(request.info.program_directory)
        python = _python_or_abort(request.info, context, default="venv")
        requested = dict(entry.split("=", 1) for entry in request.env)
        code = yield from _stream(
            [python, str(folder), *request.args],
            Path(request.pwd),
            {**environment_of(python), **requested},
            language_pb2.RunPluginResponse,
        )
        if code:
            yield language_pb2.RunPluginResponse(exitcode=code)

    def Cancel(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        for child in tuple(children):
            child.send_signal(signal.SIGINT)
        return empty_pb2.Empty()


def _python_or_abort(info: language_pb2.ProgramInfo, context: grpc.ServicerContext, default: str = "") -> str:
    try:
        return python_of(info, default)
    except MissingVirtualEnvironmentError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        raise


@contextlib.contextmanager
def _spawn(command: list[str], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield a child process, which is ended on leaving."""
    process = subprocess.Popen(command, **options)
    children.add(process)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        children.discard(process)


def _stream(
    command: list[str], folder: Path, environment: dict[str, str], response: Callable[..., Any]
) -> Generator[Any, None, int]:
    """Yield a child's output line by line, and return its exit code; its standard error goes to this process's own."""
    with _spawn(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield response(stdout=line)
        return process.wait()


def stop(*_: object) -> NoReturn:
    """End at once: the engine waits for its plugins."""
    for child in tuple(children):
        with contextlib.suppress(OSError):
            child.terminate()
    os._exit(0)


def serve(engine: str) -> None:
    """Serve until the engine ends this process."""
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    # Only here, where no program of the user's could import something of this checkout by mistake.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from sandbox.parent import end_with_parent  # noqa: PLC0415

    end_with_parent(stop)
    limits = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1:2] == [RUN]:
        run_program(int(sys.argv[2]))
    else:
        serve(sys.argv[-1] if len(sys.argv) > 1 else "")
