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
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

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

    Elsewhere than on Linux it runs this process's own Python: forking after an import is not safe everywhere.
    """
    program = launcher(folder)
    program.parent.mkdir(parents=True)
    address = folder / "socket"
    stand_in = ["-IS", warm_client.__file__, str(address), str(program)] if sys.platform == "linux" else []
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *stand_in])} "$@"\n')
    program.chmod(0o755)
    if not stand_in:
        yield program
        return
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
    # Nobody waits for a copy.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(128)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            client, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                become(client)
            client.close()


def follow(client: socket.socket) -> None:
    """Hand on the signals that a client got; end with it."""
    with suppress(OSError):
        while number := client.recv(1):
            signal.pthread_kill(threading.main_thread().ident or 0, number[0])
    os.kill(os.getpid(), signal.SIGKILL)


def become(client: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    received, files, _, _ = socket.recv_fds(client, LONGEST_REQUEST, MOST_FILES)
    if not received:
        # The client was killed.
        os._exit(1)
    request = json.loads(received)
    # Signals come by the client alone.
    os.setsid()
    # First out of the way of the numbers that they get.
    files = [client.detach(), *files]
    high = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 512) for file in files]
    for file in files:
        os.close(file)
    client = socket.socket(fileno=high.pop(0))
    for file, number in zip(high, request["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.executable = request["executable"]
    sys.orig_argv = [sys.executable, *request["arguments"]]
    threading.Thread(target=follow, args=(client,), daemon=True).start()

    def answer(status: int) -> NoReturn:
        # Its end would take the answer with it, if a signal crossed that: the client ends first.
        with suppress(OSError):
            client.sendall(str(status & 0xFF).encode())
        while True:
            with suppress(KeyboardInterrupt):
                signal.pause()

    os._exit = answer
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
    os._exit(code)


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
