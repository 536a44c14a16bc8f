"""How much is tried: a selection that is the same each time, or all of it with a seed of one's own (make faults)."""

import pytest

from tests.all.faults.kills import EVERY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not EVERY:
        items[:] = [item for item in items if not item.get_closest_marker("long")]
