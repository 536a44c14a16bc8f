"""Report each failure when it happens, and end every run: whoever watches a run, or stops it, knows how far it is."""

import os
import threading
from typing import Any

import pytest

# After the limit of the whole run, tests have this long to end by themselves: a worker looks between two of them.
GRACE_SECONDS = 60


class Progress:
    """The reports of the process that runs the tests, or has workers run them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._running: set[str] = set()
        self._limit = float(config.getoption("session_timeout") or config.getini("session_timeout"))
        # pytest-timeout's own limit is kept by workers, and by none that is dead or stands still.
        timer = threading.Timer(self._limit + GRACE_SECONDS, self._end)
        timer.daemon = True
        timer.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running.add(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.discard(nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            last = "".join(report.longreprtext.strip().splitlines()[-1:])
            self._say(f"FAILED {report.nodeid}: {last}")

    def _end(self) -> None:
        capture: Any = self._config.pluginmanager.get_plugin("capturemanager")
        capture.suspend_global_capture()
        self._say(f"ended after {self._limit + GRACE_SECONDS:g} s; these tests had not:", *sorted(self._running.copy()))
        os._exit(1)

    def _say(self, *lines: str) -> None:
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        # The letters of the tests before stand in the current line.
        for line in ("", *lines):
            terminal.write_line(line)
        terminal.flush()
