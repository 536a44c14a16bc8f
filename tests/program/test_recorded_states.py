"""Stacks that an earlier version deployed: the program asks the engine for the same again, so nothing changes.

tests/sandbox/record_states.py made the records, with the real engine: one file for each stack and version.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2

from irsa import types
from tests.component.conftest import Answers
from tests.program.test_stack_files import ROOT, run_program

RECORDED = Path(__file__).parent / "recorded"
RECORDS = sorted(RECORDED.glob("*.json"))
STACK = "urn:pulumi:test::irsa::pulumi:pulumi:Stack::irsa-test"
# In place of the folder of Pulumi.yaml.
FOLDER = "FOLDER"
# What the state keeps of a resource, and what the engine does otherwise because of it.
KEPT = (
    *("parent", "object", "dependencies", "propertyDependencies", "provider", "providers"),
    *("protect", "retainOnDelete", "importId", "id"),
    *("additionalSecretOutputs", "deleteBeforeReplace", "deletedWith", "ignoreChanges", "replaceOnChanges"),
)


def kept(request: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: request[name] for name in KEPT if request.get(name)}
    found["dependencies"] = sorted(found.get("dependencies", ()))
    found["propertyDependencies"] = {
        name: sorted(urns["urns"]) for name, urns in found.get("propertyDependencies", {}).items() if urns
    }
    return found


def question(request: Mapping[str, Any]) -> str:
    return " ".join([request["tok"], json.dumps(request.get("args", {}), sort_keys=True), request.get("provider", "")])


class RecordedEngine(MockMonitor):
    """Answers as the engine did, and keeps what it is asked for."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        super().__init__(Answers())
        self.record: Mapping[str, Mapping[str, Any]] = record["resources"]
        self.lookups: Mapping[str, Any] = record["lookups"]
        self.asked: dict[str, dict[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        urn, answer = self._resource(request)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=answer.get("id", ""), object=answer["object"])

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        urn, answer = self._resource(request)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=answer["object"])

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        self.asked[request.urn]["outputs"] = MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)

    def Invoke(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        answer = self.lookups[question(MessageToDict(request))]
        return ParseDict({"return": answer}, resource_pb2.ResourceInvokeResponse())

    def _resource(self, request: Any) -> tuple[str, dict[str, Any]]:
        """Return the URN under which the state has a resource, and what the engine answered."""
        asked = kept(json.loads(json.dumps(MessageToDict(request)).replace(str(ROOT), FOLDER)))
        # That a parent is the stack is no part of a URN.
        types = "$".join([*([] if request.parent == STACK else request.parent.split("::")[2:3]), request.type])
        urn = f"urn:pulumi:test::irsa::{types}::{request.name}"
        assert urn not in self.asked, f"{urn} twice"
        self.asked[urn] = asked
        known = self.record.get(urn, {}).get("answer", {})
        answer = ParseDict({**asked.get("object", {}), **known.get("object", {})}, Struct())
        return urn, {**known, "object": answer}


@pytest.mark.parametrize("file", RECORDS, ids=[file.stem for file in RECORDS])
def test_a_stack_that_an_earlier_version_deployed_does_not_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects deployed stacks: the same resources, inputs, options and outputs, so the engine has 0 changes to make.

    A name that changed needs an alias, by which the resource is found.
    """
    record = json.loads(file.read_text())
    expected = {urn: each["asked"] for urn, each in record["resources"].items()}
    engine = RecordedEngine(record)
    exported = run_program(record["config"], Answers(), monkeypatch, engine)

    assert exported == expected.pop(STACK)["outputs"]
    # The first test of a process makes the stack's own resource.
    assert {urn: asked for urn, asked in engine.asked.items() if urn != STACK} == expected


def test_the_records_have_each_type_of_resource() -> None:
    created = {each for each in vars(types).values() if isinstance(each, str) and each.count(":") == 2}
    urns = [urn for file in RECORDS for urn in json.loads(file.read_text())["resources"]]
    recorded = {urn.split("::")[-2].rpartition("$")[2] for urn in urns}

    # Attachments of this type are only those of others, and a namespace is a patch.
    assert created - {types.POLICY_ATTACHMENT, types.NAMESPACE} <= recorded
