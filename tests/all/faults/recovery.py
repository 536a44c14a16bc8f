"""The commands of docs/guides/troubleshooting.md that bring a stack back, run as they stand there."""

import re
import shlex
import subprocess
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import yaml
from botocore.exceptions import ClientError

from tests.all.faults.interruption import OIDC_PROVIDER, PATCH, Interrupted
from tests.sandbox.irsa_command import aws_iam
from tests.sandbox.project import ROOT, STACK, Stack

PAGE = ROOT / "docs" / "guides" / "troubleshooting.md"
RECORD, ANSWERS, EDITED = "before.json", "ids.yaml", "state.json"
NAMED_BY_PREFIX = re.compile(r"\d{18}[0-9a-f]{8}")
Answered = subprocess.CompletedProcess[str]


class Entry(NamedTuple):
    """What may exist without being recorded: an entry of ids.yaml.

    Attributes:
        urn: Its URN.
        answer: Its ID, "?" before it was looked for, None if it does not exist.
        commands: The commands above it.
        its_id: What the list says of its ID.
    """

    urn: str
    answer: str | None
    commands: tuple[str, ...] = ()
    its_id: str = ""

    @property
    def kind(self) -> str:
        return self.urn.split("::")[2].rpartition("$")[2]


def page_commands() -> list[str]:
    """Return the page's commands, without what they print."""
    found, section = [], PAGE.read_text().partition("\n## Recovery\n")[2]
    for block in re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        lines = iter(block.splitlines())
        for line in lines:
            if line.startswith("$ "):
                command = line.removeprefix("$ ")
                while command.endswith("\\"):
                    command += f"\n{next(lines)}"
                found.append(command)
    return found


def page_command(part: str) -> str:
    """Return the page's only command with a text in it, for the stack of a test."""
    (command,) = {each for each in page_commands() if part in each}
    return command.replace("--stack dev", f"--stack {STACK}")


def run(stack: Stack, command: str) -> Answered:
    """Run a command in the stack's folder, as a person does who answers yes; it may fail."""
    variables = {**stack.variables, "PULUMI_SKIP_CONFIRMATIONS": "true"}
    answer: Answered = stack.cloud.run("sh", "-c", command, folder=stack.folder, timeout=900, **variables)
    return answer


def must(answer: Answered) -> str:
    """Return what a command printed, which must have succeeded."""
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def recover(stack: Stack, interrupted: Interrupted) -> dict[str, str]:
    """Do what the page says, to the end; return the IDs of what was not recorded, by URN."""
    remove_empty_attributes(stack)
    entries = list_what_may_exist(stack)
    if not entries:
        stack.pulumi(interrupted.verb, "--yes", "--skip-preview")
        return {}
    remove_annotations(stack, entries)
    found = [entry._replace(answer=created(stack, entry, interrupted.began)) for entry in entries]
    write_answers(stack, found)
    must(go_on(stack))
    assert not [name for name in (RECORD, ANSWERS, EDITED) if (stack.folder / name).exists()]
    return {entry.urn: entry.answer for entry in found if entry.answer}


def remove_empty_attributes(stack: Stack) -> None:
    """Run the page's command for a state that cannot be read; where it can, it does nothing."""
    must(run(stack, page_command("find STATE").replace("STATE", "state")))


def list_what_may_exist(stack: Stack) -> list[Entry]:
    """Run the page's first commands; return what they list."""
    must(run(stack, page_command("pulumi cancel")))
    printed = must(run(stack, page_command("tee ids.yaml")))
    assert printed == (stack.folder / ANSWERS).read_text()
    return list(map(_entry, printed.split("\n\n")[1:]))


def _entry(text: str) -> Entry:
    ((urn, answer),) = [(each["urn"], each["id"]) for each in yaml.safe_load(text)]
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    commands = tuple(line for line in comments if line.startswith(("aws ", "kubectl ")))
    (its_id,) = [line.removeprefix("its ID: ") for line in comments if line.startswith("its ID: ")] or [""]
    return Entry(urn, answer, commands, its_id)


def remove_annotations(stack: Stack, entries: Sequence[Entry]) -> list[Answered]:
    """Run the commands that remove annotations; they fail where the annotation is not that of the list."""
    return [run(stack, command) for entry in entries if entry.kind == PATCH for command in entry.commands]


def write_answers(stack: Stack, entries: Sequence[Entry]) -> None:
    """Write the answers, as somebody with an editor does."""
    (stack.folder / ANSWERS).write_text(yaml.safe_dump([{"urn": each.urn, "id": each.answer} for each in entries]))


def go_on(stack: Stack) -> Answered:
    """Run the page's last commands."""
    answer = run(stack, page_command("> state.json"))
    return run(stack, page_command("pulumi stack import")) if answer.returncode == 0 else answer


def created(stack: Stack, entry: Entry, began: datetime) -> str | None:
    """Return the ID of what exists since the interrupted run, by the list's commands for it."""
    if entry.answer is None or entry.kind == PATCH:
        return None
    first, *then = entry.commands
    answer = _answer(stack, first)
    if entry.kind == OIDC_PROVIDER:
        (ending,) = re.findall(r"ends with (\S+)", entry.its_id)
        found = [arn for arn in answer if arn.endswith(ending)]
        dates = {arn: _answer(stack, then[0].replace("=ARN ", f"={arn} ")) for arn in found}
    elif then:
        found = [each["associationId"] for each in answer["associations"]]
        dates = {
            entry.its_id.replace("ID", each): _answer(stack, then[0].replace("=ID ", f"={each} ")) for each in found
        }
    else:
        dates = dict(answer) if isinstance(answer, list) else {entry.its_id: answer} if answer else {}
    if prefix := re.match(r"the name that is (\S+) and 26", entry.its_id):
        known = (stack.folder / RECORD).read_text()
        named = re.compile(re.escape(prefix[1]) + NAMED_BY_PREFIX.pattern)
        dates = {name: date for name, date in dates.items() if named.fullmatch(name) and name not in known}
    recent = [each for each, date in dates.items() if date >= began]
    assert len(recent) <= 1, recent
    return next(iter(recent), None)


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
    return datetime.fromisoformat(answered.stdout) if not answered.returncode else None
