"""What only `make test-all` runs: it protects stand-ins, packages, pages and exhaustive lists."""

import pytest

from tests.sandbox.conftest import api, cloud, deploy, green, nothing_left, program, pytest_pyfunc_call, webhook_down

__all__ = ["api", "cloud", "deploy", "green", "nothing_left", "program", "pytest_pyfunc_call", "webhook_down"]

# They come first, so that no worker has one of them alone at the end.
LONGEST = ("test_task_guides", "test_workflow_steps", "test_further_changes", "test_generated_sdks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)
