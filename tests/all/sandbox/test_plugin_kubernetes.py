"""The installed Kubernetes plugin against what was recorded of the official one (and Kubernetes' own documentation).

It is the stand-in, the official one, or with OFFICIAL=built the official one of January 2026: what differs in that from
the recordings is in official_differences.py.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import Engine, started

pytestmark = pytest.mark.sandbox

AUTONAMED = "pulumi.com/autonamed"
PATCH = "core/v1:ServiceAccountPatch"
RECORDED = Path(__file__).with_name("recorded") / "kubernetes-plugin-states.json"
# What the recordings are in, and the service account that one of them patches.
RECORDED_NAMESPACE, RECORDED_PATCH = "recorded-a", "existing"
NAMESPACE = "plugin"


@pytest.fixture(scope="module")
def live(cloud: Any) -> Iterator[Client]:
    """The cluster behind the plugin, as kubectl sees it, with a namespace of these tests."""
    client: Client = cloud.kubernetes(NAMESPACE)
    client.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
    yield client
    # What no stack manages would be found by the tests that read the whole cluster, as `irsa adopt` does.
    cloud.kubectl("delete", "namespace", NAMESPACE, RECORDED_NAMESPACE, "--ignore-not-found", "--timeout=60s")
    cloud.kubectl("delete", "serviceaccount", RECORDED_PATCH, "-n", "default", "--ignore-not-found")


@pytest.fixture(scope="module")
def engine(cloud: Any, live: Client) -> Iterator[Engine]:
    with started(plugin_program(cloud.sandbox, "kubernetes"), cloud.environment()) as stub:
        yield Engine(stub, "kubernetes", {"kubeconfig": cloud.environment()["KUBECONFIG"], "namespace": NAMESPACE})


def recorded_states() -> list[dict[str, Any]]:
    # The sandbox's seed holds a namespace team-a already.
    return list(json.loads(RECORDED.read_text().replace("team-a", RECORDED_NAMESPACE)))


def without_chance(outputs: dict[str, Any], manager: str) -> dict[str, Any]:
    text = json.dumps(outputs).replace(manager, "pulumi-kubernetes-<8 hex>")
    stable: dict[str, Any] = json.loads(re.sub(r"auto-[0-9a-f]{8}", "auto-<8 hex>", text))
    for key in ("uid", "resourceVersion", "creationTimestamp"):
        assert stable["metadata"].pop(key)
    stable["metadata"]["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in stable["metadata"]["managedFields"]
        if entry["manager"].startswith("pulumi-kubernetes")
    ]
    return stable


def test_states_are_those_of_the_official_plugin(engine: Engine, live: Client) -> None:
    existing = ObjectMeta(
        name=RECORDED_PATCH, namespace="default", labels={"owner": "helm"}, annotations={"keep": "me"}
    )
    Client.create(live, ServiceAccount(metadata=existing), field_manager="helm")
    # The patch comes first in the recording, its namespace before the accounts.
    for state in recorded_states():
        inputs = json.loads(json.dumps(state["inputs"]))
        if AUTONAMED in inputs["metadata"].get("annotations", {}):
            del inputs["metadata"]["name"], inputs["metadata"]["annotations"]
        made = engine.create(state["type"].removeprefix("kubernetes:"), inputs, "auto")
        assert re.sub("auto-[0-9a-f]{8}$", "auto", made.id) == re.sub("auto-[0-9a-f]{8}$", "auto", state["id"])
        assert re.fullmatch("pulumi-kubernetes-[0-9a-f]{8}", made.outputs["__fieldManager"])
        assert without_chance(made.outputs, made.outputs["__fieldManager"]) == without_chance(
            state["outputs"], state["outputs"]["__fieldManager"]
        )


def test_a_patch_of_what_is_missing_creates_it_and_leaves_it_behind(engine: Engine, live: Client) -> None:
    """The trap that the program has to step around: it looks for the service account first."""
    metadata = {"name": "missing", "annotations": {"a": "b"}}
    engine.delete(engine.create(PATCH, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
    assert not (live.get(ServiceAccount, "missing").metadata or ObjectMeta()).annotations
