"""A Python whose packages are imported already: the one of the sandbox that the tests start.

An engine run starts Python four times: for the language host, the program and two plugins. More than half of its
processor time is the import of the same packages. Here one process imports them, and is forked for each start. The copy
gets the arguments, variables, folder and open files of a client (warm_client.py), which stands in the place of
`python`, hands on its signals, and ends with the copy's exit code.
"""

import atexit
import fcntl
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.sandbox import warm_client

# What the programs of the sandbox and the irsa command import.
PRELOADED = (
    "irsa_cli.adopt",
    "irsa_cli.diff",
    "irsa_cli.explain",
    "irsa_cli.inventory",
    "irsa_cli.main",
    "irsa_cli.prove.proofs",
    "irsa_cli.subcommands",
    "irsa_cli.verify.comparison",
    "lightkube",
    "irsa_program.check_report",
    "irsa_program.create",
    "irsa_program.resolve",
    "irsa_program.settings",
    "pulumi.automation._server",
    "pulumi_aws.iam",
    "sandbox.plugins.aws.aws_provider",
    "sandbox.plugins.kubernetes.kubernetes_provider",
    "sandbox.plugins.serving",
)
# What is wrong is asked for again as often as with AWS, but not later: the sandbox's IAM is consistent at once.
WAITING = ("irsa.association_hooks", "irsa_cli.prove.proof", "irsa_cli.verify.comparison")
LONGEST_REQUEST, MOST_FILES = 1 << 18, 32


def launcher(folder: Path) -> Path:
    return folder / "bin" / "python"


@contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """Start the process that is forked, and yield the program that stands in the place of `python`.

    Elsewhere than on Linux it is this process's own Python: forking after an import is not safe everywhere.
    """
    program = launcher(folder)
    program.parent.mkdir(parents=True)
    if sys.platform != "linux":
        program.symlink_to(sys.executable)
        yield program
        return
    address = folder / "socket"
    command = shlex.join([sys.executable, "-IS", warm_client.__file__, str(address), str(program)])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    # It ends with whoever holds the other end of its standard input, so that it outlives no killed test run.
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield program


# --- the process that is forked ---------------------------------------------------------------------------------------


def serve(address: str) -> None:
    """Import the packages, and fork for each client until standard input ends."""
    for name in PRELOADED:
        importlib.import_module(name)
    for name in WAITING:
        module: Any = sys.modules[name]
        module.PAUSES = (0.0,) * len(module.PAUSES)
    gc.freeze()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening,
        selectors.DefaultSelector() as selector,
    ):
        listening.bind(address)
        listening.listen(128)
        selector.register(sys.stdin, selectors.EVENT_READ, sys.exit)
        selector.register(listening, selectors.EVENT_READ, partial(accept, listening, selector))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            # One at a time: the end of a client closes what may be the next.
            selector.select()[0][0].data()


def accept(listening: socket.socket, selector: selectors.BaseSelector) -> None:
    """Fork a copy for a client; end it with the client, and answer with its exit code."""
    client, _ = listening.accept()
    request, files, _, _ = socket.recv_fds(client, LONGEST_REQUEST, MOST_FILES)
    if not request:
        # The client was killed.
        client.close()
        return
    child = os.fork()
    if child == 0:
        become(json.loads(request), files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(child)

    def hand_on() -> None:
        number = b""
        with suppress(ConnectionResetError):
            number = client.recv(1)
        if number:
            # Where the copy has ended, its client has not read so yet.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(ended, number[0])
            return
        selector.unregister(client)
        client.close()
        if ended in selector.get_map():
            # The client was killed.
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            selector.unregister(ended)
        os.close(ended)

    def answer() -> None:
        _, status = os.waitpid(child, 0)
        selector.unregister(ended)
        with suppress(OSError):
            client.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    selector.register(client, selectors.EVENT_READ, hand_on)
    selector.register(ended, selectors.EVENT_READ, answer)


def become(request: dict[str, Any], files: list[int]) -> None:
    # Signals come by the client alone.
    os.setsid()
    # First out of the way of the numbers that they get.
    high = [fcntl.fcntl(file, fcntl.F_DUPFD, 512) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(high, request["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.executable = request["executable"]
    sys.orig_argv = [sys.executable, *request["arguments"]]
    code = 0
    try:
        run(request["arguments"])
    except SystemExit as error:
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def run(arguments: list[str]) -> None:
    """Run what Python's arguments name. The current folder is never on the module path, as with -P."""
    kind, *rest = arguments[1:] if arguments[0] == "-P" else arguments
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
