"""The servers of a test's sandbox end with the process that started them, whatever ends it: `kill -9` asks nobody.

A second process waits for the end of the first, and stops what is recorded. (`make up` has none: its servers stay.)
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.layout import CHECKOUT, Sandbox


@contextmanager
def ends_with_this_process(sandbox: Sandbox) -> Iterator[None]:
    """Have the sandbox's servers stopped, and those of its second cluster, if this process ends within the block."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(sandbox.folder)],
        cwd=CHECKOUT,
        # Nobody else has the other end, which the kernel closes.
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # What ends a whole group of processes, such as Ctrl-C, does not end this one before the servers.
        start_new_session=True,
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def stop_at_the_end_of_input(sandbox: Sandbox) -> None:
    """Wait for the end of standard input, then stop the servers."""
    sys.stdin.buffer.read()
    # Only now: in most runs it is not needed.
    from sandbox.servers import stop_servers
    from sandbox.showcase import stop_second_cluster
    from sandbox.step_progress import StepProgress

    stop_second_cluster(sandbox, StepProgress())
    stop_servers(sandbox, StepProgress())


if __name__ == "__main__":
    stop_at_the_end_of_input(Sandbox(Path(sys.argv[1])))
