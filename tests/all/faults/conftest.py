"""How much is tried: a selection that is the same each time, or all of it with a seed of one's own (make faults)."""

from typing import Any

import pytest

from tests.all.faults.kills import EVERY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not EVERY:
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name == "faults" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")
