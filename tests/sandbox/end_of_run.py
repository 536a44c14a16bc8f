"""Stop the servers of a test's sandbox when the process that started them ends, even by `kill -9`.

A second process waits until the first one ends, or needs them no more, and stops what is recorded. `make up` has no
such process: its servers stay.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.layout import CHECKOUT, Sandbox
from sandbox.servers import stop_servers
from sandbox.step_progress import StepProgress


@contextmanager
def stopped_afterwards(*sandboxes: Sandbox) -> Iterator[None]:
    """Have the servers of these stopped, in this order, after the block or the end of this process."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, *(str(each.folder) for each in sandboxes)],
        cwd=CHECKOUT,
        # Nobody else has the other end. It is closed below, or by the kernel.
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # What ends a whole group of processes, such as Ctrl-C, does not end this one before the servers.
        start_new_session=True,
    ):
        yield


if __name__ == "__main__":
    sys.stdin.buffer.read()
    for folder in sys.argv[1:]:
        stop_servers(Sandbox(Path(folder)), StepProgress())
