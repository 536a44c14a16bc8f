"""Run a verb on many bindings at a time, and show the progress."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from irsa_cli.report.checks import Check

PROGRESS_LINE_SECONDS = 10.0

Item = TypeVar("Item")


def check_all(
    verb: str, bindings: Sequence[Item], check: Callable[[Item], list[Check]], concurrent: int
) -> list[Check]:
    """Return the checks of all bindings, in their order; several bindings run at a time."""
    progress = BindingProgress(verb, len(bindings))

    def one(binding: Item) -> list[Check]:
        checks = check(binding)
        progress.advance()
        return checks

    with ThreadPoolExecutor(concurrent) as pool:
        return [each for checks in pool.map(one, bindings) for each in checks]


class BindingProgress:
    """Progress of a long run on standard error: one line that changes on a terminal, a line every 10 s in a log."""

    def __init__(self, verb: str, total: int) -> None:
        """Start the count for a verb, of this many bindings."""
        self._verb, self._total, self._done = verb, total, 0
        self._lock, self._last_line = threading.Lock(), time.monotonic()

    def advance(self) -> None:
        """Count one more binding."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            terminal = sys.stderr.isatty()
            if not terminal and now - self._last_line < PROGRESS_LINE_SECONDS:
                return
            self._last_line = now
            last = self._done == self._total
            text = f"irsa {self._verb}: {self._done} of {self._total} bindings"
            ending = ("\r" + " " * len(text) + "\r" if last else "") if terminal else "\n"
            sys.stderr.write(("\r" if terminal else "") + text + ending)
            sys.stderr.flush()


@contextmanager
def under_way(verb: str, what: str) -> Iterator[None]:
    """Say on standard error what takes long: on a terminal a line that is removed at the end, in a log after 10 s."""
    text = f"irsa {verb}: {what}"
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()
        try:
            yield
        finally:
            sys.stderr.write("\r" + " " * len(text) + "\r")
            sys.stderr.flush()
        return
    timer = threading.Timer(PROGRESS_LINE_SECONDS, lambda: sys.stderr.write(f"{text}\n"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
