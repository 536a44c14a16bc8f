"""What every test needs."""

import asyncio

import pytest

# Set while tests are collected too: some make outputs as their parameters, which belong to the current loop.
LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


@pytest.fixture(autouse=True)
def current_event_loop() -> None:
    """Set the event loop again for each test: Pulumi's SDK asks for the current one, and `asyncio.run` unsets it."""
    asyncio.set_event_loop(LOOP)
