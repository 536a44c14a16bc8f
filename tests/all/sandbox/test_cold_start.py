"""The engine with a host, a program and plugins that start in a new Python, as `make up` starts them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import prepare_engine
from tests.sandbox.conftest import Cloud, start_by
from tests.sandbox.project import Project
from tests.sandbox.warm_python import launcher

pytestmark = pytest.mark.sandbox


@pytest.fixture
def cold(cloud: Cloud, tmp_path: Path) -> Iterator[Project]:
    prepare_engine(cloud.sandbox, cloud.environment(), cloud.progress)
    subjects = [f"team-a:worker-{number}" for number in range(9)]
    binding = {"serviceAccount": {"name": "cold"}, "policyArns": [], "trust": {"subjects": subjects}}
    project = Project(cloud, tmp_path, {"bindings": {"cold": binding}})
    settings = tmp_path / "Pulumi.yaml"
    settings.write_text(settings.read_text().replace(str(cloud.virtualenv), sys.prefix))
    yield project
    project.clean_up()
    start_by(launcher(cloud.virtualenv), cloud.sandbox)


def test_a_new_python_imports_what_it_needs_and_orders_as_another(cold: Project) -> None:
    cold.variables["PYTHONHASHSEED"] = "1"
    # The stack, the component, a role and a service account; the stand-ins' providers are not counted.
    assert cold.up() == {"create": 4}
    cold.variables["PYTHONHASHSEED"] = "2"
    assert cold.up() == {}
