import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.irsa_command import irsa
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

POD_IDENTITY = "podIdentity"
NEW = {"serviceAccount": {"name": "diff-new"}, "role": {"name": "diff-new"}, "identity": POD_IDENTITY}
STAGES: list[Any] = [
    "both",
    {"irsa": "trusted", "podIdentity": "used"},
    "podIdentity",
    "both",
    {"irsa": "used", "podIdentity": "trusted"},
    "irsa",
]


def bindings(identity: Any, **more: Any) -> dict[str, Any]:
    return {"bindings": {"app": {"serviceAccount": {"name": "diff-app"}, "identity": identity}, **more}}


def shown(project: Project) -> dict[str, Any]:
    answer = irsa(project, "diff", "--stack", STACK, "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_the_stages_of_a_migration(deploy: Callable[..., Project]) -> None:
    project = deploy(bindings("irsa"))
    project.up()
    for identity in STAGES:
        project.set(bindings(identity))
        found = shown(project)
        rights = {name: found[name] for name in ("gains", "loses", "mayGain", "mayLose", "cannotTell") if found[name]}

        assert rights == {}, identity
        assert found["otherPrincipals"] == []
        project.up()
    project.set(bindings("irsa", new=NEW))
    (right,) = shown(project)["gains"]
    assert (right["serviceAccount"], right["role"], right["way"]) == ("default/diff-new", "diff-new", POD_IDENTITY)
    project.up()
    project.set(bindings("irsa"))
    (right,) = shown(project)["loses"]
    assert (right["serviceAccount"], right["way"]) == ("default/diff-new", POD_IDENTITY)
