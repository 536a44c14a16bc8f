"""How much is tried: a selection that is the same each time, or all of it with another seed (make fuzz)."""

import os
import resource
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

SHARDS = 4
BYTES = 3 << 30


class Amount(NamedTuple):
    """The cases of one shard."""

    seed: int
    numbers: range


def amount_of(shard: int, few: int, many: int) -> Amount:
    """Return a shard's part of the cases, which are few unless `make fuzz` asks for many."""
    every = many if os.environ.get("FUZZ") else few
    return Amount(int(os.environ.get("SEED", "20121017")), range(shard, every, SHARDS))


@pytest.fixture(autouse=True)
def limited_memory() -> Iterator[None]:
    """Limit the memory, so that a case that takes too much is an error of its own and ends no other process."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what came of the cases, in whichever process they ran."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name == "fuzz" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")
