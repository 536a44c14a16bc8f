"""Report a long step while it runs, and how long each step took."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

TICK_SECONDS = 1.0
LINE_SECONDS = 20.0


@dataclass
class StepProgress:
    """Steps and their durations: a line that counts seconds on a terminal, a line every twenty seconds in a log."""

    console: Console = field(
        default_factory=lambda: Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    )
    times: dict[str, float] = field(default_factory=dict)

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str, doing: str, *, quiet_below: float = 0.0) -> Iterator[list[str]]:
        """Time a step and report it; the last text of the yielded list is what the line says."""
        detail = [doing]
        done = threading.Event()
        started = time.monotonic()
        ticker = threading.Thread(target=self._tick, args=(name, detail, started, done), daemon=True)
        ticker.start()
        try:
            yield detail
        finally:
            done.set()
            ticker.join()
        seconds = time.monotonic() - started
        self.times[name] = self.times.get(name, 0.0) + seconds
        if seconds >= quiet_below:
            self.say(f"  {name}: {detail[-1]} ({duration(seconds)})")

    def _tick(self, name: str, detail: list[str], started: float, done: threading.Event) -> None:
        if self.console.is_terminal:
            with self.console.status(f"{name}: {detail[-1]}") as status:
                while not done.wait(TICK_SECONDS):
                    status.update(f"{name}: {detail[-1]} ({duration(time.monotonic() - started)})")
            return
        while not done.wait(LINE_SECONDS):
            self.say(f"  {name}: {detail[-1]} ... {duration(time.monotonic() - started)}")
            sys.stdout.flush()

    def summary(self) -> str:
        total = duration(sum(self.times.values()))
        parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in self.times.items() if seconds >= 0.05)  # noqa: PLR2004
        return f"{total}: {parts}"


def duration(seconds: float) -> str:
    """Return a duration as text: 0.4 s, 12 s, 3 min 20 s."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
