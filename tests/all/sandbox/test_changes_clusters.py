from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.changes import OTHER_ACCOUNT, Scenario, Walk, check, role_arn, walk
from tests.sandbox.project import Project, blue_and_green
from tests.sandbox.scenarios import GROWING, MOVING

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def grown(cloud: Any, green: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    blue, teal = blue_and_green(green).values()
    settings = [
        {"cluster": blue},
        {"clusters": {"blue": blue}},
        {"clusters": {"blue": blue, "green": teal}},
        {"clusters": {"blue": blue, "teal": teal}},
        {"clusters": {"blue": blue}},
        {"cluster": blue},
    ]
    project = Project(cloud, tmp_path_factory.mktemp("grown"), {**settings[0], "bindings": {}})
    yield walk(project, GROWING, settings, green)
    project.destroy()


@pytest.fixture(scope="module")
def moved(cloud: Any, green: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    settings = {
        "clusters": blue_and_green(green),
        "accounts": {"data": {"assumeRoleArn": role_arn("deployer", OTHER_ACCOUNT)}},
    }
    project = Project(cloud, tmp_path_factory.mktemp("moved"), {**settings, "bindings": {}})
    yield walk(project, MOVING, [settings], green)
    project.destroy()


@pytest.mark.parametrize("scenario", GROWING, ids=[each.word or "stack" for each in GROWING])
def test_the_page_has_what_a_cluster_more_does(grown: Walk, scenario: Scenario) -> None:
    check(grown, scenario)


@pytest.mark.parametrize("scenario", MOVING, ids=[each.word for each in MOVING])
def test_the_page_has_what_a_move_does(moved: Walk, scenario: Scenario) -> None:
    check(moved, scenario)
