"""Take the place of `python`: a copy of the process of tests.sandbox.warm_python runs with the same arguments.

It is started for each process of an engine run, so that it imports as little as it can.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys

PARENT_SECONDS = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(address: str, executable: str, arguments: list[str]) -> int:
    files = [file for file in map(int, os.listdir("/proc/self/fd")) if is_handed_on(file)]  # noqa: PTH208
    request = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "executable": executable,
        "files": files,
        "folder": os.getcwd(),  # noqa: PTH109
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        socket.send_fds(server, [json.dumps(request).encode()], files)
        for number in SIGNALS:
            signal.signal(number, lambda received, _frame: send(server, received))
        parent = os.getppid()
        while not select.select([server], [], [], PARENT_SECONDS)[0]:
            # An engine that is killed sends no signal.
            if os.getppid() != parent:
                return 1
        # A copy that a signal ends says nothing.
        with contextlib.suppress(ConnectionResetError):
            return int(server.recv(8) or 1)
    return 1


def send(server: socket.socket, number: int) -> None:
    # The copy may have ended meanwhile, so that there is nothing to stop.
    with contextlib.suppress(OSError):
        server.sendall(bytes([number]))


def is_handed_on(file: int) -> bool:
    try:
        return os.get_inheritable(file)
    except OSError:
        # The listing's own.
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
