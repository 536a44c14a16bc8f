"""The workflows and the actions of this repository, as GitHub reads them."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return read


def own_action(used: str) -> dict[str, Any] | None:
    """Return the action of this repository that a step's `uses:` names; None for another one."""
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
