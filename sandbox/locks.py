"""One process at a time, and a word to whoever waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sandbox.step_progress import StepProgress


@contextmanager
def held(path: Path, waiting: str, progress: StepProgress) -> Iterator[None]:
    """Hold a lock file; its owner's death frees it."""
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
