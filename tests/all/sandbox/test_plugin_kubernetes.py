"""The installed Kubernetes plugin against what was recorded of the official one (and Kubernetes' own documentation).

It is the stand-in, the official one, or with OFFICIAL=built the official one of January 2026: what differs in that from
the recordings is in official_differences.py.
"""

import copy
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox.live import service_account
from tests.sandbox.project import Program

pytestmark = pytest.mark.sandbox

AUTONAMED = "pulumi.com/autonamed"
PATCH = "kubernetes:core/v1:ServiceAccountPatch"
RECORDED = Path(__file__).with_name("recorded") / "kubernetes-plugin-states.json"
# One after the other: the patch comes first in the recording, its namespace before the accounts.
PROGRAM = """
import json
import pulumi

made = []
for type_, name, inputs in json.loads({!r}):
    made.append(pulumi.CustomResource(type_, name, inputs, pulumi.ResourceOptions(depends_on=made[-1:])))
"""


def deployed(program: Program, resources: Iterable[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    """Deploy resources of these types, logical names and inputs, and return their states."""
    program.write(PROGRAM.format(json.dumps([*resources])))
    program.up()
    return [each for each in program.state() if each["type"].startswith("kubernetes:")]


def without_chance(outputs: dict[str, Any]) -> dict[str, Any]:
    manager = outputs["__fieldManager"]
    assert re.fullmatch("pulumi-kubernetes-[0-9a-f]{8}", manager)
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


def test_states_are_those_of_the_official_plugin(program: Program, cloud: Any) -> None:
    existing = ObjectMeta(name="existing", namespace="default", labels={"owner": "helm"}, annotations={"keep": "me"})
    cloud.kubernetes().create(ServiceAccount(metadata=existing), field_manager="helm")
    # The sandbox's seed holds a namespace team-a already.
    recorded, resources = json.loads(RECORDED.read_text().replace("team-a", "recorded-a")), []
    for number, state in enumerate(recorded):
        inputs, is_named = copy.deepcopy(state["inputs"]), True
        if AUTONAMED in inputs["metadata"].get("annotations", {}):
            is_named = False
            del inputs["metadata"]["name"], inputs["metadata"]["annotations"]
        resources.append((state["type"], f"r{number}" if is_named else "auto", inputs))

    for made, state in zip(deployed(program, resources), recorded, strict=True):
        assert re.sub("auto-[0-9a-f]{8}$", "auto", made["id"]) == re.sub("auto-[0-9a-f]{8}$", "auto", state["id"])
        assert without_chance(made["outputs"]) == without_chance(state["outputs"])


def test_a_patch_of_what_is_missing_creates_it_and_leaves_it_behind(program: Program, cloud: Any) -> None:
    """The trap that the program has to step around: it looks for the service account first."""
    metadata = {"name": "missing", "namespace": "default", "annotations": {"a": "b"}}
    deployed(program, [(PATCH, "patch", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})])
    program.destroy()
    assert not service_account(cloud, "missing")["metadata"].get("annotations")
