"""What every test needs."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings

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
