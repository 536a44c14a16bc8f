"""Looking at many bindings at a time, and saying how far that is."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from irsa_cli.report.checks import Check

PROGRESS_LINE_SECONDS = 10.0

Item = TypeVar("Item")


def look_at_all(
    verb: str, bindings: Sequence[Item], look: Callable[[Item], list[Check]], concurrent: int
) -> list[Check]:
    """Look at every binding, several at a time, and give the checks in the order of the bindings."""
    progress = BindingProgress(verb, len(bindings))

    def one(binding: Item) -> list[Check]:
        checks = look(binding)
        progress.advance()
        return checks

    with ThreadPoolExecutor(concurrent) as pool:
        return [check for checks in pool.map(one, bindings) for check in checks]


class BindingProgress:
    """How far a long run is, on standard error: a line that changes on a terminal, a line now and then in a log."""

    def __init__(self, verb: str, total: int) -> None:
        """Take what is counted."""
        self._verb, self._total, self._done = verb, total, 0
        self._lock, self._said = threading.Lock(), time.monotonic()

    def advance(self) -> None:
        """Count one more."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            terminal = sys.stderr.isatty()
            if not terminal and now - self._said < PROGRESS_LINE_SECONDS:
                return
            self._said = now
            last = self._done == self._total
            text = f"irsa {self._verb}: {self._done} of {self._total} bindings"
            ending = ("\r" + " " * len(text) + "\r" if last else "") if terminal else "\n"
            sys.stderr.write(("\r" if terminal else "") + text + ending)
            sys.stderr.flush()
