"""The engine is killed by SIGKILL: the documented commands bring all back, and nothing is left that nobody names."""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.all.faults.inventory import Thing, existing, recorded
from tests.all.faults.kills import kill, kill_while_held
from tests.all.faults.recovery import recover, remove_empty_attributes
from tests.sandbox.irsa_command import report
from tests.sandbox.live import allowing
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
DOCUMENT = allowing("arn:${partition}:s3:::${region}/*")
# So many parts may run at once.
SHARDS = 4


def settings(plain: int = 4) -> dict[str, Any]:
    plain_bindings = {
        f"plain-{number}": {"serviceAccount": {"name": f"plain-{number}"}, "policy": {"document": DOCUMENT}}
        for number in range(plain)
    }
    bindings = {
        **plain_bindings,
        "named": {
            "serviceAccount": {"name": "named"},
            "role": {"name": "faults-named", "path": "/faults/"},
            "policy": {"name": "faults-named", "path": "/faults/", "document": DOCUMENT},
        },
        "prefixed": {"serviceAccount": {"name": "prefixed"}, "role": {"namePrefix": "faults-"}, "policyArns": [SQS]},
        "inline": {"serviceAccount": {"name": "inline"}, "inlinePolicies": {"read": {"document": DOCUMENT}}},
        "annotated": {"serviceAccount": {"name": "helm-made", "create": False}, "policyArns": [SQS]},
        "own-namespace": {
            "serviceAccount": {"name": "app", "namespace": "faults", "createNamespace": True},
            "policyArns": [SQS],
        },
        "associated": {"identity": "both", "serviceAccount": {"name": "associated"}, "policyArns": [SQS]},
        "role-only": {"role": {"name": "faults-role-only"}, "trust": {"subjects": ["team-a:*"]}, "policyArns": [SQS]},
    }
    return {"bindings": bindings}


@pytest.fixture
def before(cloud: Any) -> Iterator[set[Thing]]:
    """What exists without a stack, which is all there is at the end."""
    cloud.kubectl("create", "serviceaccount", "helm-made")
    # A namespace stays when its stack is destroyed.
    cloud.kubectl("create", "namespace", "faults")
    found = existing(cloud)
    yield found
    assert existing(cloud) == found
    cloud.kubectl("delete", "serviceaccount", "helm-made")
    cloud.kubectl("delete", "namespace", "faults")


@pytest.mark.long
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_killed_engine_leaves_nothing_behind(cloud: Any, before: set[Thing], deploy: Deploy, shard: int) -> None:
    seed, kills = os.environ.get("SEED", "20141112"), int(os.environ.get("KILLS", "1"))
    project = deploy(settings())
    writes = {verb: kill(project, verb, number=1_000_000).passed for verb in ("up", "destroy")}
    assert existing(cloud) == before, "an undisturbed destroy leaves something"
    for number in range(shard, kills, SHARDS):
        chosen = random.Random(f"{seed}/{number}")
        for verb, last in writes.items():
            killed = kill(project, verb, number=chosen.randrange(last))
            where = f"seed {seed}, kill {number} of `{verb}` after {killed.passed} of {last} writes"
            assert killed.processes, where
            recover(project, killed)
            assert existing(cloud) - before == recorded(project), where
            if verb == "up":
                assert report(project, "verify")[0] == 0, where
        assert existing(cloud) == before, where


def test_what_was_created_and_not_recorded_is_named_and_taken_back(
    cloud: Any, before: set[Thing], deploy: Deploy
) -> None:
    """The first kill meets what depends on nothing, the next ones what depends on it."""
    project = deploy(settings(plain=1))
    created: list[str] = []
    for _ in range(3):
        killed = kill_while_held(project, (*created,))
        created += killed.held
        assert existing(cloud) - before - recorded(project), "a test that held nothing back"
        recover(project, killed)
        assert report(project, "verify")[0] == 0
        assert existing(cloud) - before == recorded(project)
        project.destroy()
        assert existing(cloud) == before
    collections = {"namespaces", "serviceaccounts", "pod-identity-associations"}
    assert set(created) >= {"CreateRole", "CreatePolicy", "AttachRolePolicy", *collections}


def test_a_state_whose_attributes_are_empty(deploy: Deploy) -> None:
    project = deploy({"bindings": {"app": {"serviceAccount": {"name": "empty-attributes"}, "policyArns": [SQS]}}})
    project.up()
    (attributes,) = (project.folder / "state").rglob(f"{STACK}.json.attrs")
    attributes.write_text("")
    assert "failed to load checkpoint: EOF" in project.refused("cancel", "--yes")

    remove_empty_attributes(project)
    assert project.up() == {}
