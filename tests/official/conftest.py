"""What only `make test-official` runs: it needs programs that are built with OFFICIAL=built."""

import os

import pytest

from sandbox.versions import official_parts

collect_ignore_glob = [] if official_parts(os.environ) else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.sandbox.cloud")
