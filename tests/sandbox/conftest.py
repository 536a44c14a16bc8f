"""The sandbox, and which of these files `make test-official` leaves out."""

import os

import pytest

from sandbox.versions import official_parts

# No Kubernetes plugin runs in it: it says nothing of the official one.
WITHOUT_PLUGIN = ("test_inventory.py",)
collect_ignore = WITHOUT_PLUGIN if official_parts(os.environ) else ()


def pytest_configure(config: pytest.Config) -> None:
    """Register the sandbox, once for all folders that ask for it."""
    config.pluginmanager.import_plugin("tests.sandbox.cloud")
