"""Stand in the place of `python`: have a copy of tests.sandbox.warm_python's process run with the same arguments.

It is started for each process of an engine run, so that it imports as little as it can.
"""

import json
import os
import select
import signal
import socket
import struct
import sys

HIGHEST_STANDARD_FILE = 2
# The request's length in bytes, and the exit code.
LENGTH, CODE = struct.Struct("!I"), struct.Struct("!i")
PARENT_SECONDS = 1.0


def main(address: str, executable: str, arguments: list[str]) -> int:
    """Have a copy run with these arguments, and return its exit code."""
    files = [file for file in map(int, os.listdir("/proc/self/fd")) if is_handed_on(file)]  # noqa: PTH208
    umask = os.umask(0)
    os.umask(umask)
    request = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "executable": executable,
        "files": files,
        "folder": os.getcwd(),  # noqa: PTH109
        "umask": umask,
    }
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [LENGTH.pack(len(content))], files)
        server.sendall(content)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: server.sendall(bytes([received])))
        for file in files:
            os.close(file)
        parent = os.getppid()
        while not select.select([server], [], [], PARENT_SECONDS)[0]:
            # An engine that is killed sends no signal.
            if os.getppid() != parent:
                return 1
        answer = server.recv(CODE.size)
    code: int = CODE.unpack(answer)[0] if answer else 1
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def is_handed_on(file: int) -> bool:
    try:
        return file <= HIGHEST_STANDARD_FILE or os.get_inheritable(file)
    except OSError:
        # The listing's own.
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
