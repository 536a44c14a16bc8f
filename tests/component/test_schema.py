import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMPONENTS = Path(__file__).parents[2] / "components"
COMMAND = ".venv/bin/python components --schema > components/schema.json"


@pytest.fixture(scope="module")
def schema() -> Any:
    answer = subprocess.run([sys.executable, str(COMPONENTS), "--schema"], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every property of the component and of its types, with its place."""
    for kind in ("resources", "types"):
        for token, definition in schema[kind].items():
            for level in ("inputProperties", "properties"):
                for name, value in definition.get(level, {}).items():
                    yield f"{token.rsplit(':', 1)[-1]}.{level}.{name}", value


def test_the_schema_is_the_committed_one(schema: Any) -> None:
    assert schema == json.loads((COMPONENTS / "schema.json").read_text()), f"look at the difference, then: {COMMAND}"


def test_every_property_is_described(schema: Any) -> None:
    found = dict(properties(schema))
    assert {"ServiceAccount.properties.namespace", "ServiceAccountRole.inputProperties.policy"} <= found.keys()
    assert [place for place, value in found.items() if not value.get("description", "").endswith(".")] == []


def test_the_plugin_installs_what_the_component_depends_on() -> None:
    project = tomllib.loads((COMPONENTS / "pyproject.toml").read_text())["project"]
    assert (COMPONENTS / "requirements.txt").read_text().splitlines() == project["dependencies"]
