"""What only `make test-all` runs: it protects stand-ins, packages, pages and exhaustive lists."""

import pytest

# They come first, so that no worker has one of them alone at the end.
LONGEST = ("test_task_guides", "test_workflow_steps", "test_further_changes", "test_generated_sdks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.sandbox.cloud")
