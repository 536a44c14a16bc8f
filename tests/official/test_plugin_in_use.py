"""Which Kubernetes plugin `make test-official` says something about."""

from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]

from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import started

pytestmark = pytest.mark.sandbox


def test_the_plugin_is_the_official_one_of_january_2026(cloud: Any) -> None:
    with started(plugin_program(cloud.sandbox, "kubernetes"), cloud.environment()) as stub:
        assert stub.GetPluginInfo(Empty()).version == "4.0.0-20260115033456-f47bc2d6f199"
