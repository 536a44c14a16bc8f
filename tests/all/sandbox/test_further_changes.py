"""The changes of a stack file in docs/reference/changes.md that tests/sandbox/test_changes.py does not walk."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.changes import Scenario, Walk, automatic, check, look, named, rows, scenario, walk
from tests.sandbox.live import create_role, web_identity
from tests.sandbox.project import Project
from tests.sandbox.scenarios import DEFAULTS, FURTHER, TAGGED

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

NO_POLICY = "arn:aws:iam::111122223333:policy/misspelled"


@pytest.fixture(scope="module")
def walked(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """All of these scenarios, in one stack, with the roles that exist before it does."""
    for word in ("given", "exists"):
        create_role(cloud.aws("iam"), f"{word}-byhand", web_identity(f"default:{word}-sa"))
    project = Project(cloud, tmp_path_factory.mktemp("changes"), {"bindings": {}})
    yield walk(project, FURTHER)
    project.destroy()


@pytest.mark.parametrize("scenario", FURTHER, ids=[each.word for each in FURTHER])
def test_the_page_has_what_a_change_does(walked: Walk, scenario: Scenario) -> None:
    check(walked, scenario)


@pytest.fixture(scope="module")
def defaulted(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    project = Project(cloud, tmp_path_factory.mktemp("defaults"), {"bindings": {}})
    yield walk(project, DEFAULTS, [{}, {"defaults": TAGGED}, {"defaults": {**TAGGED, "path": "/irsa/"}}])
    project.destroy()


@pytest.mark.parametrize("scenario", DEFAULTS, ids=[each.word for each in DEFAULTS])
def test_the_page_has_what_other_defaults_do(defaulted: Walk, scenario: Scenario) -> None:
    check(defaulted, scenario)


def test_formerly_helps_after_a_failed_up(deploy: Callable[..., Project], cloud: Any) -> None:
    binding = automatic("failed")
    words = [scenario("failed", {})]
    project = deploy({"bindings": {"failed-old": binding}})
    project.up()
    before = look(cloud, words, None)["failed"]
    project.set({"bindings": {"failed-new": {**binding, "policyArns": [NO_POLICY]}}})
    project.refused("up", "--yes", "--skip-preview")
    between = look(cloud, words, None)["failed"]
    project.set({"bindings": {"failed-new": {**binding, "formerly": "failed-old"}}})
    did = project.up()

    assert before.things < between.things
    assert did == rows()["Add `formerly` after an `up` that failed"].counts
    assert look(cloud, words, None)["failed"] == before
    assert project.up() == {}


def test_what_is_not_kept_first_is_deleted(deploy: Callable[..., Project], cloud: Any) -> None:
    """Protects the page's warning: `create: false` at once deletes the service account, which the next `up` misses."""
    project = deploy({"bindings": {"app": named("gone")}})
    project.up()
    project.set({"bindings": {"app": named("gone", serviceAccount={"name": "gone-sa", "create": False})}})
    did = project.up()

    assert did == rows()["`create: true` to `false` at once"].counts
    assert cloud.kubectl("get", "serviceaccount", "gone-sa").returncode != 0
    assert "gone-sa" in project.refused("preview")
