"""The commonest changes of a stack file in docs/reference/changes.md, on the real engine.

tests/all/sandbox/test_further_changes.py walks the others, and test_changes_clusters.py those of clusters.
"""

from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

import pytest

from tests.sandbox.changes import Scenario, Walk, check, named, rows, walk
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.project import Project
from tests.sandbox.scenarios import COMMON, DEFAULTS, GROWING, MOVING, OF_ONE_CLUSTER

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def walked(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    project = Project(cloud, tmp_path_factory.mktemp("changes"), {"bindings": {}})
    yield walk(project, COMMON)
    project.destroy()


@pytest.mark.parametrize("scenario", COMMON, ids=[each.word for each in COMMON])
def test_the_page_has_what_a_change_does(walked: Walk, scenario: Scenario) -> None:
    check(walked, scenario)


def test_a_role_and_its_policy_are_replaced_together(deploy: Callable[..., Project], cloud: Any) -> None:
    project = deploy({"bindings": {"app": named("both")}})
    project.up()
    project.set({"defaults": {"path": "/irsa/"}, "bindings": {"app": named("both")}})
    with failing_aws({"DetachRolePolicy": lambda: sleep(4)}, cloud.aws_address) as address:
        answer = project.run("up", "--yes", "--skip-preview", AWS_ENDPOINT_URL=address)

    assert answer.returncode == 0, answer.stdout
    assert cloud.aws("iam").get_role(RoleName="both-role")["Role"]["Path"] == "/irsa/"
    assert project.up() == {}


def test_every_row_is_walked() -> None:
    walked = {step.change for each in [*OF_ONE_CLUSTER, *DEFAULTS, *GROWING, *MOVING] for step in each.steps}

    assert rows().keys() - walked == {
        "Add `formerly` after an `up` that failed",
        # tests/all/sandbox/test_further_changes.py
        "1. Set `retainOnDelete: true`, before the issuer is corrected",
        "2. Correct the issuer, and set `import: [serviceAccount]`",
        "3. Remove `retainOnDelete` and `import`",
        "Rebuild a cluster, then `pulumi up --refresh` with its issuer",
    }
