import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the sandbox, once for all folders that ask for it."""
    config.pluginmanager.import_plugin("tests.sandbox.cloud")
