"""Run a subcommand on many bindings at a time, and show the progress."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from irsa_world.live.once import slowed_down
from irsa_world.report.checks import Check

PROGRESS_LINE_SECONDS = 10.0
SLOW = "; AWS asks to slow down, so this takes longer"

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

            def show(text: str) -> None:
                status.update(Text(f"irsa {subcommand}: {text}"))

            with _every_line(what, show) as texts:

                def change(text: str) -> None:
                    texts.append(text)
                    show(text)

                yield change
        return

    def log(text: str) -> None:
        sys.stderr.write(f"irsa {subcommand}: {text}\n")
        sys.stderr.flush()

    with _every_line(what, log) as texts:
        yield texts.append


@contextmanager
def _every_line(what: str, show: Callable[[str], None]) -> Iterator[list[str]]:
    """Show the last of the texts every 10 s, and whether AWS has asked to slow down since."""
    texts, ended = [what], threading.Event()
    slowed_down.clear()

    def repeat() -> None:
        while not ended.wait(PROGRESS_LINE_SECONDS):
            is_slow = slowed_down.is_set()
            slowed_down.clear()
            show(f"{texts[-1]}{SLOW if is_slow else ''}")

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield texts
    finally:
        ended.set()
        thread.join()
