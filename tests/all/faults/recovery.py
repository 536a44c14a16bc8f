"""The commands of docs/guides/recovery.md that bring a stack back, run as they stand there."""

import re
import shlex
import subprocess
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from tests.all.faults.inventory import PATCH
from tests.all.faults.kills import Killed
from tests.sandbox.irsa_command import aws_iam
from tests.sandbox.project import ROOT, STACK, Stack

PAGE = ROOT / "docs" / "guides" / "recovery.md"
RECORD, LABELS = "before.json", ("look:", "delete:")
Answered = subprocess.CompletedProcess[str]


class Entry(NamedTuple):
    """What may exist without being recorded: its URN, and the commands that look for it and delete it."""

    urn: str
    look: tuple[str, ...]
    delete: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.urn.split("::")[2].rpartition("$")[2]


def page_command(part: str) -> str:
    blocks = "\n".join(re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    found: list[str] = re.findall(r"^\$ ((?:.*\\\n)*.*)$", blocks, re.MULTILINE)
    (command,) = {each for each in found if part in each}
    return command.replace("--stack prod", f"--stack {STACK}")


def run(stack: Stack, command: str) -> Answered:
    variables = {**stack.variables, "PULUMI_SKIP_CONFIRMATIONS": "true"}
    answer: Answered = stack.cloud.run("sh", "-c", command, folder=stack.folder, timeout=900, **variables)
    return answer


def must(answer: Answered) -> str:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def recover(stack: Stack, killed: Killed) -> list[str]:
    """Do what the page says, to the end; return the URNs of what was created and not recorded."""
    remove_empty_attributes(stack)
    entries = list_what_may_exist(stack)
    if not entries:
        stack.pulumi(killed.verb, "--yes", "--skip-preview")
        return []
    found = [entry.urn for entry in entries if delete(stack, entry, killed.began)]
    must(go_on(stack))
    assert not (stack.folder / RECORD).exists()
    return found


def remove_empty_attributes(stack: Stack) -> None:
    """Run the page's command for a state that cannot be read; where it can, it does nothing."""
    must(run(stack, page_command("find STATE").replace("STATE", "state")))


def list_what_may_exist(stack: Stack) -> list[Entry]:
    must(run(stack, page_command("pulumi cancel")))
    printed = must(run(stack, page_command("irsa recover")))
    return [_entry(text.splitlines()) for text in printed.split("\n\n")[1:-1]]


def _entry(lines: list[str]) -> Entry:
    (urn,) = shlex.split(lines[0])
    after = [tuple(each.removeprefix(label).strip() for each in lines if each.startswith(label)) for label in LABELS]
    return Entry(urn, *after)


def go_on(stack: Stack) -> Answered:
    return run(stack, page_command("--clear-pending-creates"))


def delete(stack: Stack, entry: Entry, began: datetime) -> bool:
    """Delete what exists since the interrupted run, by the list's commands for it; return whether it did."""
    if entry.kind == PATCH:
        # They fail where the annotation is not that of the list.
        return [run(stack, command).returncode for command in entry.delete].count(0) > 0
    recent = [found for found, date in created(stack, entry).items() if date >= began]
    assert len(recent) <= 1, recent
    for found in recent:
        _answer(stack, _filled_in(entry.delete[0], found))
    return bool(recent)


def created(stack: Stack, entry: Entry) -> dict[str, datetime]:
    """Return when everything of this name was created, by the ID that replaces a placeholder of the commands."""
    if not entry.look:
        return {}
    first, *then = entry.look
    answer = _answer(stack, first)
    if then:
        return {found: _answer(stack, _filled_in(then[0], found)) for found in answer}
    return dict(answer) if isinstance(answer, list) else {"": answer} if answer else {}


def _filled_in(command: str, found: str) -> str:
    return re.sub(r"=(ARN|ID|NAME)\b", f"={found}", command)


def _answer(stack: Stack, command: str) -> Any:
    """Return what AWS or Kubernetes answers, None if there is no such thing; any other error is no answer."""
    words = shlex.split(command)
    if words[0] == "aws":
        options = [part for word in words[3:] for part in word.split("=", 1)]
        try:
            return aws_iam(stack.cloud, [words[2], *options], words[1])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                return None
            raise
    answered = run(stack, command)
    assert not answered.returncode or "NotFound" in answered.stderr, answered.stderr
    if answered.returncode or "delete" in words:
        return None
    return datetime.fromisoformat(answered.stdout)
