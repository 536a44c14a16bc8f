"""Deploy a stack to a new sandbox, and record what its program said to the engine, and what it was answered.

`python -m tests.sandbox.record_states NAME` writes tests/program/recorded/NAME-VERSION.json: of Pulumi.NAME.yaml as it
is now. tests/program/test_recorded_states.py has the test.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from irsa.version import VERSION
from tests.program.test_recorded_states import FOLDER, RECORDED, kept, question
from tests.sandbox.cloud import Cloud, running_cloud, running_second_cluster
from tests.sandbox.project import ROOT
from tests.sandbox.showcase import showcase


def record(cloud: Cloud, green: Path, name: str) -> None:
    # Those of earlier versions stay: stacks are deployed by them.
    file = RECORDED / f"{name}-{VERSION}.json"
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    _, project = showcase(cloud, str(green), cloud.folder / name, config)
    log = project.folder / "said.json"
    project.variables["PULUMI_DEBUG_GRPC"] = str(log)
    project.up()
    text = log.read_text().replace(str(project.folder), FOLDER)
    del project.variables["PULUMI_DEBUG_GRPC"]
    assert project.up() == {}
    # A line for each resource is short enough, and can be read.
    short = json.dumps(record_of(config, map(json.loads, text.splitlines())), sort_keys=True)
    file.write_text(re.sub(r'("urn:pulumi:[^"]*": {"answer"|"(lookups|resources)": {)', r"\n\1", short) + "\n")


def record_of(config: Mapping[str, Any], calls: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    resources: dict[str, dict[str, Any]] = {}
    lookups: dict[str, Any] = {}
    for call in calls:
        request, answer = call["request"], call.get("response")
        match call["method"].removeprefix("/pulumirpc.ResourceMonitor/"):
            case "Invoke" if answer:
                lookups[question(request)] = answer["return"]
            case "RegisterResource" | "ReadResource" if answer:
                # What the engine answers is what it was told, and more.
                known, told = answer.get("object") or answer.get("properties") or {}, request.get("object", {})
                more = {key: value for key, value in known.items() if told.get(key) != value}
                made = {"id": answer.get("id", ""), "object": more}
                resources[answer["urn"]] = {"asked": kept(request), "answer": made}
            case "RegisterResourceOutputs" if answer is not None:
                resources[request["urn"]]["asked"]["outputs"] = request["outputs"]
    return {"config": config, "lookups": lookups, "resources": resources}


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cloud(Path(folder)) as cloud,
        running_second_cluster(cloud) as green,
    ):
        record(cloud, green, sys.argv[1])
