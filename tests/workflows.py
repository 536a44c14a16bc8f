"""The workflows and the actions of this repository, as GitHub reads them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
GH = f'exec "{sys.executable}" "{ROOT / "tests" / "gh.py"}" "$@"'
# Without -P, the stand-in would import itself in place of the library.
JQ = f'exec "{sys.executable}" -P "{ROOT / "tests" / "jq.py"}" "$@"'
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
BASH = ("/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return read


def own_action(used: str) -> dict[str, Any] | None:
    if not used.startswith("./"):
        return None
    read: dict[str, Any] = yaml.safe_load((ROOT / used / "action.yml").read_text())
    return read


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a job, those of this repository's actions in the place of the step that uses them."""
    steps: list[dict[str, Any]] = []
    for step in job.get("steps", []):
        action = own_action(step.get("uses", ""))
        steps += [step] if action is None else action["runs"]["steps"]
    return steps


def write_programs(folder: Path, scripts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def write_record(file: Path, **record: Any) -> None:
    file.write_text(json.dumps({"main": "c0ffee", "issues": [], "comments": [], **record}))
