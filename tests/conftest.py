"""What every test needs."""

import asyncio
import functools
import gc
import os
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from tests.progress import Progress
from tests.workflows import JQ, write_programs

# A busy machine is no failure: how long an example takes, or its making, is not what a test asserts.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# Set while tests are collected too: some make outputs as their parameters, which belong to the current loop.
LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


def say_what_nobody_handles(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say which exception nobody handled, unless it is what a program failed with, as its caller knows.

    Pulumi's SDK sets that on three futures of each output of a resource, and waits for the first one alone
    (transfer_properties of pulumi/runtime/rpc.py, Output of pulumi/output.py).
    """
    failed = any(each.__name__ == "RunError" for each in type(context.get("exception")).__mro__)
    if not (failed and context["message"] == "Future exception was never retrieved"):
        loop.default_exception_handler(context)


LOOP.set_exception_handler(say_what_nobody_handles)

# Each session of boto3 reads the models of AWS's services anew, which took half the time of the tests that ask moto.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def pytest_configure(config: pytest.Config) -> None:
    """Say what fails, and end, in the process that has no other one above it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config))


def pytest_collection_finish() -> None:
    """Leave out of each garbage collection what lives until the end: the tests and what they import."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def current_event_loop() -> None:
    """Set the event loop again for each test: Pulumi's SDK asks for the current one, and `asyncio.run` unsets it."""
    asyncio.set_event_loop(LOOP)


@pytest.fixture(scope="session", autouse=True)
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put `jq` on PATH, which the pages and the workflows call: that of the environment, whatever is installed.

    They also call bash, grep and others, which the system has where it has its own programs.
    """
    folder = tmp_path_factory.mktemp("programs")
    write_programs(folder, {"jq": JQ})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(folder), os.environ.get("PATH", ""), os.defpath]))
        yield
