"""Each change of clusters and AWS accounts in docs/reference/changes.md, on the real engine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.changes import (
    OTHER_ACCOUNT,
    Scenario,
    Settings,
    Step,
    Walk,
    automatic,
    check,
    look,
    named,
    role_arn,
    role_only,
    scenario,
    walk,
)
from tests.sandbox.project import Project, blue_and_green

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

ACCOUNTS = {"data": {"assumeRoleArn": role_arn("deployer", OTHER_ACCOUNT)}}
CLUSTERS = [
    "`irsa:cluster` to `irsa:clusters` with the same cluster",
    "Add a cluster",
    "Rename a cluster's key",
    "Remove a cluster",
    "`irsa:clusters` with one cluster to `irsa:cluster`",
]


def growing(word: str, binding: Settings) -> Scenario:
    """Return the scenario of a binding in all clusters of a stack that gets a second cluster, and loses it."""
    bindings = {"app": binding}
    steps = [
        Step(f"{change}: each binding", bindings, ["service account"] if change == "Remove a cluster" else [])
        for change in CLUSTERS
    ]
    return scenario(word, bindings, *steps)


GROWING = [
    growing("named", named("named")),
    growing("auto", automatic("auto")),
    Scenario("", {}, [Step(f"{change}: the stack", {}) for change in CLUSTERS]),
]

JOINED = {"one": named("joined", clusters=["blue", "green"])}
PARTED = {
    "one": named("joined", clusters=["blue"]),
    "two": {
        **named("joined", clusters=["green"]),
        "role": {"name": "joined-other"},
        "policy": {"file": "policies/my-policy.json"},
    },
}

MOVING = [
    # The providers of both clusters and AWS accounts are there from the beginning.
    scenario("still", {"app": role_only("still", automatic("still", account="data")), "both": named("still")}),
    scenario(
        "moved",
        {"app": named("moved", clusters=["blue"])},
        Step(
            "Move a binding to another cluster",
            {"app": named("moved", clusters=["green"])},
            ["service account"],
        ),
    ),
    scenario(
        "walked",
        {"app": named("walked", clusters=["blue"])},
        Step("Add a cluster to a binding", {"app": named("walked", clusters=["blue", "green"])}),
        Step("Remove a cluster from a binding", {"app": named("walked", clusters=["green"])}, ["service account"]),
    ),
    scenario(
        "joined",
        PARTED,
        Step("Merge the bindings of a service account in two clusters", JOINED, ["policy", "role"]),
        Step("Split a binding of two clusters", PARTED),
    ),
    scenario(
        "abroad",
        {"app": named("abroad", clusters=["blue"])},
        Step(
            "Move a binding to another AWS account: the role has a name",
            {"app": named("abroad", clusters=["blue"], account="data")},
            ["policy", "role"],
        ),
    ),
    scenario(
        "newkey",
        {"app": automatic("newkey", clusters=["blue"])},
        Step(
            "Move a binding to another AWS account: automatic names, with a new key",
            {"next": automatic("newkey", clusters=["blue"], account="data")},
            ["policy", "role"],
        ),
    ),
]


@pytest.fixture(scope="module")
def grown(cloud: Any, green: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A stack from one cluster to two and back."""
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
    """A stack with two clusters and two AWS accounts."""
    settings = {
        "clusters": blue_and_green(green),
        "accounts": {"data": {"assumeRoleArn": role_arn("deployer", OTHER_ACCOUNT)}},
    }
    project = Project(cloud, tmp_path_factory.mktemp("moved"), {**settings, "bindings": {}})
    yield walk(project, MOVING, [settings], green)
    project.destroy()


@pytest.mark.parametrize("scenario", GROWING, ids=[each.word or "stack" for each in GROWING])
def test_the_page_has_what_a_cluster_more_does(grown: Walk, scenario: Scenario) -> None:
    """Protects the way from one cluster to several: nothing moves in AWS or in the first cluster."""
    check(grown, scenario)


@pytest.mark.parametrize("scenario", MOVING, ids=[each.word for each in MOVING])
def test_the_page_has_what_a_move_does(moved: Walk, scenario: Scenario) -> None:
    """Protects Pods when a binding moves to another cluster or AWS account."""
    check(moved, scenario)


def test_an_automatic_role_does_not_move_to_another_account(
    deploy: Callable[..., Project], green: str, cloud: Any
) -> None:
    """Protects the page's advice of a new key: Pulumi does not move a resource to another AWS account."""
    project = deploy({"accounts": ACCOUNTS, "bindings": {"stays-app": automatic("stays")}})
    project.up()
    words = [scenario("stays", {})]
    before = look(cloud, words, None)
    project.set({"accounts": ACCOUNTS, "bindings": {"stays-app": automatic("stays", account="data")}})

    assert "NoSuchEntity" in project.refused("up", "--yes", "--skip-preview")
    assert look(cloud, words, None) == before
    project.set({"accounts": ACCOUNTS, "bindings": {"stays-app": automatic("stays")}})
    project.up()
