"""How long `irsa diff` takes of its own for 1,070 bindings: without the preview, the state and the clusters."""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.check import text_of
from bench.harness import report, seconds
from bench.results import Figure
from irsa_cli.diff.versions import compared_versions
from irsa_cli.main import main as irsa
from irsa_cli.state.resource import Resource
from program.versions.stack_files import versions

TITLE = "irsa diff"
DESCRIPTION = """\
The policies of 1,070 bindings get one more action, in two stack files; and a preview, as `pulumi` prints it, creates
all of the resources. Each is compared in one process that is started already."""
BINDINGS, RUNS, GOAL = 1_070, 5, 3.0


def measure(folder: Path) -> list[Figure]:
    old, new, preview = folder / "Pulumi.old.yaml", folder / "Pulumi.new.yaml", folder / "preview.json"
    old.write_text(text_of(BINDINGS))
    new.write_text(text_of(BINDINGS).replace('"s3:PutObject"', '"s3:PutObject", "s3:DeleteObject"'))
    (both,) = versions(str(old), str(new), None)
    _, changed, _ = compared_versions(both)
    assert len(changed.steps) == BINDINGS
    steps = [{"op": "create", "urn": each.urn, "newState": _as_printed(each)} for each in both.after.resources]
    preview.write_text(json.dumps({"steps": steps, "changeSummary": {}}))
    of_files = tuple(seconds(lambda: _run([str(old), str(new)])) for _ in range(RUNS))
    of_preview = tuple(seconds(lambda: _run(["--preview", str(preview)])) for _ in range(RUNS))
    return [Figure("two stack files", "s", of_files), Figure("a preview", "s", of_preview, GOAL)]


def _run(words: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert irsa(["diff", *words]) == 0


def _as_printed(resource: Resource) -> dict[str, Any]:
    """Return a resource as a preview has it."""
    names = ("urn", "type", "parent", "provider", "inputs")
    dependencies = {"policyArn": list(resource.policies)} if resource.policies else {}
    return {**{name: getattr(resource, name) for name in names}, "propertyDependencies": dependencies}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report("diff", TITLE, DESCRIPTION, lambda: measure(Path(folder)), {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
