"""How long `irsa diff` takes of its own for 1,070 bindings: without the preview, the state and the clusters."""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.harness import report, seconds
from bench.results import Figure
from irsa_cli.main import main as irsa

TITLE = "irsa diff"
DESCRIPTION = """\
A preview, as `pulumi` prints it, creates the resources of 1,070 bindings. It is read in one process that is started
already."""
BINDINGS, RUNS, GOAL = 1_070, 5, 3.0
RECORD = Path(__file__).parents[1] / "tests" / "program" / "recorded" / "dev.json"
# In all names of one binding's resources there, and in no others.
NAMED = "report"


def measure(folder: Path) -> list[Figure]:
    preview = folder / "preview.json"
    resources = json.loads(RECORD.read_text())["resources"]
    of_binding = json.dumps([_step(urn, each["asked"]) for urn, each in resources.items() if NAMED in urn])
    steps = [step for number in range(BINDINGS) for step in json.loads(of_binding.replace(NAMED, f"app-{number}"))]
    preview.write_text(json.dumps({"steps": steps, "changeSummary": {}}))
    times = tuple(seconds(lambda: _run(["--preview", str(preview)])) for _ in range(RUNS))
    return [Figure("a preview", "s", times, GOAL)]


def _run(words: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert irsa(["diff", *words]) == 0


def _step(urn: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the step that creates a resource that was recorded, as a preview has it."""
    new = {"urn": urn, "type": urn.split("::")[2].rpartition("$")[2], "parent": asked["parent"]}
    new |= {"inputs": asked.get("object", {}), "propertyDependencies": asked["propertyDependencies"]}
    return {"op": "create", "urn": urn, "newState": new}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report("diff", TITLE, DESCRIPTION, lambda: measure(Path(folder)), {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
