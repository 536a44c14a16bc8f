"""Run a subcommand on many bindings at a time, and show the progress."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from irsa_world.report.checks import Check

PROGRESS_LINE_SECONDS = 10.0

Item = TypeVar("Item")


def check_all(
    subcommand: str, bindings: Sequence[Item], check: Callable[[Item], list[Check]], concurrent: int
) -> list[Check]:
    """Return the checks of all bindings, in their order; several bindings run at a time."""
    total, done = len(bindings), itertools.count(1)
    with under_way(subcommand, f"0 of {total} bindings") as show, ThreadPoolExecutor(concurrent) as pool:

        def one(binding: Item) -> list[Check]:
            checks = check(binding)
            show(f"{next(done)} of {total} bindings")
            return checks

        return [each for checks in pool.map(one, bindings) for each in checks]


@contextmanager
def under_way(subcommand: str, what: str) -> Iterator[Callable[[str], None]]:
    """Show what takes long on standard error, in a terminal or every 10 s in a log, and yield what changes the text."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 (slow to import, and a pipe does not need it)
        from rich.text import Text  # noqa: PLC0415 (same)

        with Console(stderr=True).status(Text(f"irsa {subcommand}: {what}")) as status:
            yield lambda text: status.update(Text(f"irsa {subcommand}: {text}"))
        return
    texts, ended = [what], threading.Event()

    def log() -> None:
        while not ended.wait(PROGRESS_LINE_SECONDS):
            sys.stderr.write(f"irsa {subcommand}: {texts[-1]}\n")
            sys.stderr.flush()

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        yield texts.append
    finally:
        ended.set()
        thread.join()
