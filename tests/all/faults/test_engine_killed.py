"""The engine is killed by SIGKILL: the documented commands bring all back, and nothing is left that nobody names.

The network to AWS and Kubernetes is as slow as a real one: so most kills meet answers that are under way.
"""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.all.faults.conftest import Amount, amounts
from tests.all.faults.held import both_apis, kill_while_held
from tests.all.faults.interruption import Interrupted, after, interrupt
from tests.all.faults.inventory import existing, recorded
from tests.all.faults.recovery import recover, remove_empty_attributes
from tests.sandbox.irsa_command import report
from tests.sandbox.live import allowing
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
# Until an answer arrives, which IAM takes about.
LATENCY_SECONDS = 0.1
# Seconds; a creation takes two answers or three.
LONGEST_STEP = 0.5
UNDONE_BY = {"up": "destroy", "destroy": "up"}
DOCUMENT = allowing("arn:${partition}:s3:::${region}/*")


def settings(plain: int = 4) -> dict[str, Any]:
    """Return bindings with every kind of resource that irsa creates, named by the user and by the plugins."""
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


def interrupt_within(project: Project, verb: str, lines: int, moments: random.Random) -> Interrupted:
    """Kill the engine at a random moment; where it has ended before, undo that, and draw another moment."""
    while True:
        moment = after(project, moments.randrange(lines), moments.uniform(0, LONGEST_STEP))
        interrupted = interrupt(project, verb, when=moment)
        if interrupted.killed:
            return interrupted
        project.pulumi(UNDONE_BY[verb], "--yes", "--skip-preview")


@pytest.fixture
def slow(cloud: Any, tmp_path: Path) -> Iterator[dict[str, str]]:
    with both_apis(cloud, tmp_path, lambda _: None, lambda _: time.sleep(LATENCY_SECONDS)) as variables:
        yield variables


@pytest.mark.long
@pytest.mark.parametrize("amount", amounts(), ids=str)
def test_a_killed_engine_leaves_nothing_behind(
    cloud: Any, slow: dict[str, str], deploy: Deploy, record_property: Callable[..., None], amount: Amount
) -> None:
    cloud.kubectl("create", "serviceaccount", "helm-made")
    # A namespace stays when its stack is destroyed.
    cloud.kubectl("create", "namespace", "faults")
    before = existing(cloud)
    project = deploy(settings(), **slow)
    lines = {verb: interrupt(project, verb, when=lambda: False).lines for verb in UNDONE_BY}
    assert existing(cloud) == before, "an undisturbed destroy leaves something"
    killed, unrecorded = dict.fromkeys(lines, 0), 0
    for number in amount.numbers:
        moments = random.Random(f"{amount.seed}/{number}")
        for verb, longest in lines.items():
            interrupted = interrupt_within(project, verb, longest, moments)
            where = f"seed {amount.seed}, kill {number} of `{verb}` after {interrupted.lines} of {longest} lines"
            killed[verb] += 1
            unrecorded += len(recover(project, interrupted))
            assert existing(cloud) - before == recorded(project), where
            if verb == "up":
                assert report(project, "verify")[0] == 0, where
        assert existing(cloud) == before, where
    cloud.kubectl("delete", "serviceaccount", "helm-made")
    cloud.kubectl("delete", "namespace", "faults")
    text = (
        f"{killed['up']} kills of up, {killed['destroy']} of destroy, {unrecorded} resources created and not recorded"
    )
    record_property("faults", text)


def test_what_was_created_and_not_recorded_is_named_and_taken_back(
    cloud: Any, deploy: Deploy, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """Protects from orphans at the worst moment: everything was created, and the engine heard of nothing.

    The first kill meets what depends on nothing, the next ones what depends on it.
    """
    cloud.kubectl("create", "serviceaccount", "helm-made")
    # A namespace stays when its stack is destroyed.
    cloud.kubectl("create", "namespace", "faults")
    before = existing(cloud)
    project = deploy(settings(plain=1))
    created: list[str] = []
    for _ in range(3):
        killed = kill_while_held(project, tmp_path, passed=created)
        created += killed.held
        assert existing(cloud) - before - recorded(project), "a test that held nothing back"
        recover(project, killed.interrupted)
        assert report(project, "verify")[0] == 0
        assert existing(cloud) - before == recorded(project)
        project.destroy()
        assert existing(cloud) == before
    cloud.kubectl("delete", "serviceaccount", "helm-made")
    cloud.kubectl("delete", "namespace", "faults")
    collections = {"namespaces", "serviceaccounts", "pod-identity-associations"}
    assert set(created) >= {"CreateRole", "CreatePolicy", "AttachRolePolicy", *collections}
    record_property("faults", f"{len(created)} creations without an answer")


def test_a_state_whose_attributes_are_empty(deploy: Deploy) -> None:
    project = deploy({"bindings": {"app": {"serviceAccount": {"name": "empty-attributes"}, "policyArns": [SQS]}}})
    project.up()
    (attributes,) = (project.folder / "state").rglob(f"{STACK}.json.attrs")
    attributes.write_text("")
    assert "failed to load checkpoint: EOF" in project.refused("cancel", "--yes")

    remove_empty_attributes(project)
    assert project.up() == {}
