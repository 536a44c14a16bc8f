"""The engine is killed by SIGKILL: the documented commands bring all back, and nothing is left that nobody names.

The network to AWS and Kubernetes is as slow as a real one: so most kills meet answers that are under way.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config import live_rules
from tests.faults.conftest import Amount, amounts
from tests.faults.interruption import after, interrupt, recover, remove_empty_attributes
from tests.faults.inventory import existing, recorded
from tests.faults.toxiproxy import Network
from tests.sandbox.failing_api import Question, failing_aws, failing_kubernetes
from tests.sandbox.irsa_command import irsa, report
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
# Milliseconds until an answer arrives, which IAM takes about.
AWS_LATENCY = 100
LONGEST_HOLD = 300.0
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:${partition}:s3:::${region}/*"},
}


def settings() -> dict[str, Any]:
    """Return ten bindings with every kind of resource that irsa creates, named by the user and by the plugins."""
    plain = {
        f"plain-{number}": {"serviceAccount": {"name": f"plain-{number}"}, "policy": {"document": DOCUMENT}}
        for number in range(4)
    }
    bindings = {
        **plain,
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
        "role-only": {"role": {"name": "faults-role-only"}, "trust": {"subjects": ["team-a:*"]}, "policyArns": [SQS]},
    }
    # By default a namespace is only patched, and stays.
    return {"defaults": {"retainNamespaces": False}, "bindings": bindings}


@pytest.mark.long
@pytest.mark.parametrize("amount", amounts(), ids=str)
def test_a_killed_engine_leaves_nothing_behind(
    cloud: Any, deploy: Deploy, network: Network, record_property: Callable[..., None], amount: Amount
) -> None:
    """Protects the AWS account and Pods: after the documented commands all is as declared, and later all is gone."""
    aws = network.link(cloud.aws_address)
    aws.add("latency", latency=AWS_LATENCY)
    cloud.kubectl("create", "serviceaccount", "helm-made")
    before = existing(cloud)
    project = deploy(settings(), AWS_ENDPOINT_URL=aws.address)
    seconds = {verb: interrupt(project, verb, when=lambda: False).seconds for verb in ("up", "destroy")}
    assert existing(cloud) == before, "an undisturbed destroy leaves something"
    killed, unrecorded = dict.fromkeys(seconds, 0), 0
    for number in amount.numbers:
        moments = random.Random(f"{amount.seed}/{number}")
        for verb, longest in seconds.items():
            moment = moments.uniform(0, longest)
            where = f"seed {amount.seed}, kill {number} of `{verb}` after {moment:.2f} of {longest:.2f} s"
            killed[verb] += bool(interrupt(project, verb, when=after(moment)).killed)
            unrecorded += len(recover(project))
            project.pulumi(verb, "--yes", "--skip-preview")
            assert existing(cloud) - before == recorded(project), where
            if verb == "up":
                assert report(project, "verify")[0] == 0, where
        assert existing(cloud) == before, where
    cloud.kubectl("delete", "serviceaccount", "helm-made")
    text = (
        f"{killed['up']} kills of up, {killed['destroy']} of destroy, {unrecorded} resources created and not recorded"
    )
    record_property("faults", text)


class Held:
    """Answers to what AWS or Kubernetes has created are held back: who asked for it is killed meanwhile."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self._since = time.monotonic()
        self._released = threading.Event()

    def hold(self, question: Question) -> None:
        if question.action.startswith(("Create", "Attach", "Put")) or (
            not question.action and question.method in {"POST", "PATCH"}
        ):
            self.created.append(question.action or question.path)
            self._since = time.monotonic()
            self._released.wait(LONGEST_HOLD)

    def settled(self) -> bool:
        """Return whether something is held, and for two seconds nothing more was created."""
        return bool(self.created) and time.monotonic() - self._since > 2

    def release(self) -> None:
        self._released.set()


@contextmanager
def held(cloud: Any, folder: Path) -> Iterator[tuple[Held, dict[str, str]]]:
    """Yield answers that are held back, and the variables that lead to the AWS and Kubernetes that hold them."""
    holding = Held()
    config = json.loads(cloud.sandbox.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    certificate = str(cloud.sandbox.kubernetes / "certificates" / "apiserver.crt")
    with (
        failing_aws({}, cloud.aws_address, holding.hold) as aws,
        failing_kubernetes(lambda _: None, server, certificate, holding.hold) as kubernetes,
    ):
        config["clusters"][0]["cluster"] = {"server": kubernetes}
        file = folder / "kubeconfig-that-holds"
        file.write_text(json.dumps(config))
        yield holding, {"AWS_ENDPOINT_URL": aws, "KUBECONFIG": str(file)}
        holding.release()


def test_what_was_created_and_not_recorded_is_named_and_taken_back(
    cloud: Any, deploy: Deploy, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """Protects from orphans at the worst moment: everything was created, and the engine heard of nothing.

    The first kill meets what depends on nothing, the next one what depends on it, until an `up` is through.
    """
    cloud.kubectl("create", "serviceaccount", "helm-made")
    before = existing(cloud)
    project = deploy(settings())
    created: list[str] = []
    for _ in range(4):
        with held(cloud, tmp_path) as (holding, variables):
            interrupted = interrupt(project, "up", when=holding.settled, **variables)
        if not interrupted.killed:
            break
        created += holding.created
        unrecorded = existing(cloud) - before - recorded(project)
        assert unrecorded, "a test that held nothing back"
        recover(project)
    project.up()
    assert report(project, "verify")[0] == 0
    assert existing(cloud) - before == recorded(project)
    project.destroy()
    assert existing(cloud) == before
    cloud.kubectl("delete", "serviceaccount", "helm-made")
    record_property("faults", f"{len(created)} creations without an answer")


def test_a_state_whose_attributes_are_empty(deploy: Deploy) -> None:
    """Protects a state in a folder: an engine that is killed while it writes them cannot read its state any more."""
    project = deploy({"bindings": {"app": {"serviceAccount": {"name": "empty-attributes"}, "policyArns": [SQS]}}})
    (attributes,) = (project.folder / "state").rglob(f"{STACK}.json.attrs")
    attributes.write_text("")
    assert "failed to load checkpoint: EOF" in project.refused("cancel", "--yes")

    remove_empty_attributes(project)
    project.up()


ADOPTED_AS = {
    live_rules.ROLE_EXISTS: "role",
    live_rules.POLICY_EXISTS: "policy",
    live_rules.SERVICE_ACCOUNT_EXISTS: "serviceAccount",
}


@pytest.mark.long
def test_an_up_without_checkpoints_is_adopted(cloud: Any, deploy: Deploy, record_property: Callable[..., None]) -> None:
    """Protects who follows docs/guides/scale.md: what was created and not recorded is named, adopted, and unchanged."""
    names = [f"adopted-{number}" for number in range(6)]

    def declared(adopted: dict[str, list[str]]) -> dict[str, Any]:
        return {
            "bindings": {
                name: {
                    "serviceAccount": {"name": name},
                    "role": {"name": name},
                    "policy": {"name": name, "document": DOCUMENT},
                    **({"import": adopted[name]} if name in adopted else {}),
                }
                for name in names
            }
        }

    before = existing(cloud)
    project = deploy(declared({}))

    def first_is_complete() -> bool:
        return bool(cloud.kubectl("get", "serviceaccount", "--no-headers").stdout.count("adopted-"))

    assert interrupt(project, "up", when=first_is_complete, PULUMI_SKIP_CHECKPOINTS="true").killed
    project.pulumi("cancel", "--yes")
    orphaned = existing(cloud) - before - recorded(project)
    checked = json.loads(irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml", "--json").stdout)["files"][0]
    adopted: dict[str, list[str]] = {}
    for mistake in checked["mistakes"]:
        adopted.setdefault(mistake["path"].split(".")[1], []).append(ADOPTED_AS[mistake["rule"]])
    assert sum(map(len, adopted.values())) == sum(
        thing[0] in {"role", "policy", "service account"} for thing in orphaned
    )

    project.set(declared(adopted))
    project.up()
    project.set(declared({}))
    assert project.up() == {}
    assert report(project, "verify")[0] == 0
    assert existing(cloud) - before == recorded(project)
    project.destroy()
    assert existing(cloud) == before
    record_property("faults", f"{len(orphaned)} created without a record, adopted")
