import shutil
from pathlib import Path
from typing import Any

import pytest

from sandbox.showcase import show_every_key
from tests.sandbox.project import ROOT, Project

pytestmark = pytest.mark.sandbox


def test_every_key_is_deployed_and_destroyed_to_nothing(cloud: Any, tmp_path: Path) -> None:
    project = Project(cloud, tmp_path / "showcase", {"bindings": {}})
    shutil.copy(ROOT / "Pulumi.showcase.yaml", project.folder)
    (project.folder / ".sandbox").symlink_to(cloud.folder)

    show_every_key(cloud.sandbox, cloud.environment(), cloud.progress, project.folder)
