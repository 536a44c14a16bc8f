"""Lock files, which one process holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sandbox.step_progress import StepProgress


@contextmanager
def held(path: Path, waiting: str, progress: StepProgress) -> Iterator[None]:
    """Hold a lock file; say `waiting` while another process holds it. It is freed when its owner ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say(waiting)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
