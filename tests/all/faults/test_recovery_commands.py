"""The commands of docs/guides/troubleshooting.md lose no record of what may exist, whatever is typed wrong or refused.

`pulumi` and `irsa verify` are replaced by programs that write down how they were called; test_engine_killed.py has the
real ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.layout import write_atomically
from tests.all.faults.interruption import ROLE
from tests.all.faults.recovery import ANSWERS, EDITED, RECORD, page_command

STEPS = ["pulumi stack import", "pulumi refresh --stack", "pulumi up --stack", "irsa verify --stack"]
STATE, CALLS, REFUSED = "state-of-the-stack.json", "calls", "refused"
# The last word of an import is the file.
PROGRAM = f"""#!/bin/sh
name=$(basename "$0"); for last; do :; done
case "$name $1 $2" in
"pulumi stack export") cat {STATE}; exit ;;
"irsa recover "*) exec {sys.executable} -m irsa_cli "$@" ;;
esac
echo "$name $1 $2" >> {CALLS}
if [ "$name $1 $2" = "$(cat {REFUSED})" ]; then exit 1; fi
case "$name $1 $2" in
"pulumi stack import") cp "$last" {STATE} ;;
esac
"""
URN = f"urn:pulumi:test::irsa::irsa:index:ServiceAccountRole${ROLE}::app"
NEW = {"urn": URN, "custom": True, "type": ROLE, "inputs": {"name": "app-0000002"}}
OTHER = {**NEW, "urn": f"{URN}-other", "id": "other"}


class Desk:
    """A folder in which somebody follows the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name in ("pulumi", "irsa"):
            write_atomically(folder / "bin" / name, PROGRAM, mode=0o755)
        (folder / REFUSED).write_text("")
        self.has([])

    def has(self, resources: list[dict[str, Any]]) -> None:
        """Let the stack have resources, and a pending creation."""
        deployment = {"resources": resources, "pending_operations": [{"type": "creating", "resource": NEW}]}
        (self.folder / STATE).write_text(json.dumps({"version": 3, "deployment": deployment}))

    def run(self, part: str) -> bool:
        """Run the page's command with a text in it; return whether it succeeds."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        command, variables = ["sh", "-c", page_command(part)], {**os.environ, "PATH": path}
        return (
            subprocess.run(command, cwd=self.folder, env=variables, stdin=subprocess.DEVNULL, check=False).returncode
            == 0
        )

    def answer(self, written: str) -> None:
        """List what may exist, and write this in place of the question mark."""
        assert self.run("tee ids.yaml")
        listed = (self.folder / ANSWERS).read_text()
        assert listed.count('"?"') == 1
        (self.folder / ANSWERS).write_text(listed.replace('"?"', written))

    def goes_on(self) -> bool:
        """Run both of the page's last commands, whether the first of them succeeds or not, as a paste does."""
        self.run("> state.json")
        return self.run("pulumi stack import")

    def state(self) -> Any:
        return json.loads((self.folder / STATE).read_text())

    def calls(self) -> list[str]:
        file = self.folder / CALLS
        return file.read_text().splitlines() if file.exists() else []

    def left(self) -> list[str]:
        return [name for name in (RECORD, ANSWERS, EDITED) if (self.folder / name).exists()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_exists_is_recorded(desk: Desk) -> None:
    """Protects the record: the state gets the resource, and the files go only when all is verified."""
    desk.answer("app-0000002")

    assert desk.goes_on()
    assert desk.calls() == STEPS
    deployment = {"resources": [{**NEW, "id": "app-0000002"}], "pending_operations": []}
    assert desk.state()["deployment"] == deployment
    assert desk.left() == []


@pytest.mark.parametrize("written", ['"?"', "", "7", "[", "nul\n- urn: x"])
def test_without_an_answer_nothing_is_imported(desk: Desk, written: str) -> None:
    """Protects from a common error where all lines are pasted at once: the stack and the record stay as they are."""
    before = desk.state()
    desk.answer(written)
    if written == "":
        (desk.folder / ANSWERS).write_text("")

    assert not desk.goes_on()
    assert (desk.state(), desk.calls()) == (before, [])
    assert RECORD in desk.left()


@pytest.mark.parametrize("refused", STEPS)
def test_what_is_refused_stops_the_rest_and_keeps_the_record(desk: Desk, refused: str) -> None:
    """Protects the only record: `pulumi stack import` drops all pending operations, and may be refused itself."""
    desk.answer("app-0000002")
    (desk.folder / REFUSED).write_text(refused)

    assert not desk.goes_on()
    assert desk.calls()[-1] == refused
    assert RECORD in desk.left()


def test_a_state_that_has_changed_is_not_overwritten(desk: Desk) -> None:
    """Protects what was deployed meanwhile, or since the import: the same lines, pasted again, change nothing."""
    desk.answer("app-0000002")
    desk.has([OTHER])

    assert not desk.goes_on()
    assert (desk.state()["deployment"]["resources"], desk.calls()) == ([OTHER], [])
    assert RECORD in desk.left()
