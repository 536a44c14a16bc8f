"""What every test needs."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.workflows import JQ, write_programs

# A busy machine is no failure: how long an example takes, or its making, is not what a test asserts.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# Set while tests are collected too: some make outputs as their parameters, which belong to the current loop.
LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


@pytest.fixture(autouse=True)
def current_event_loop() -> None:
    """Set the event loop again for each test: Pulumi's SDK asks for the current one, and `asyncio.run` unsets it."""
    asyncio.set_event_loop(LOOP)


@pytest.fixture(scope="session", autouse=True)
def jq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put `jq` on PATH, which the pages and the workflows call: that of the environment, whatever is installed."""
    folder = tmp_path_factory.mktemp("programs")
    write_programs(folder, {"jq": JQ})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield
