"""The commands of docs/reliability.md that bring a stack back, run as they stand there."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from tests.all.faults.interruption import PATCH, Interrupted
from tests.sandbox.irsa_command import ACCOUNT, aws_iam
from tests.sandbox.project import ROOT, STACK, Stack

PAGE = ROOT / "docs" / "reliability.md"
RECORD, ANSWERS, EDITED = "before.json", "ids.json", "state.json"
NAMED_BY_PREFIX = re.compile(r"\d{18}[0-9a-f]{8}")
Answered = subprocess.CompletedProcess[str]


class Entry(NamedTuple):
    """What may exist without being recorded: an entry of ids.json.

    Attributes:
        urn: Its URN.
        answer: Its ID, "?" before it was looked for, None if it does not exist.
        known: Its name, prefix, URL or metadata.
    """

    urn: str
    answer: str | None
    known: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.urn.split("::")[2].rpartition("$")[2]


def page_commands() -> list[str]:
    """Return the page's commands, without what they print."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        lines = iter(block.splitlines())
        for line in lines:
            if line.startswith("$ "):
                command = line.removeprefix("$ ")
                while command.endswith("\\") or command.count("'") % 2:
                    command += f"\n{next(lines)}"
                found.append(command)
    return found


def page_command(part: str) -> str:
    """Return the page's only command with a text in it, for the stack of a test."""
    (command,) = {each for each in page_commands() if part in each}
    return command.replace("--stack dev", f"--stack {STACK}")


def look_up_commands() -> Iterator[tuple[str, str, str]]:
    """Yield the page's table: what is in the URN, the command that looks for it, and a second one or nothing."""
    row = r"^\| ([^|]+) \| `([^`]+)`(?:, then `([^`]+)`)?[^|]* \|[^|]*\|$"
    yield from re.findall(row, PAGE.read_text(), re.MULTILINE)


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
    remove_annotations(stack)
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
    printed = json.loads(must(run(stack, page_command("tee ids.json"))))
    assert printed == json.loads((stack.folder / ANSWERS).read_text())
    return [Entry(entry.pop("urn"), entry.pop("id"), entry) for entry in printed]


def remove_annotations(stack: Stack) -> list[Answered]:
    """Run the commands that the page's command prints; they fail where the annotation is not that of the list."""
    printed = must(run(stack, page_command("kubectl patch")))
    return [run(stack, command) for command in printed.splitlines()]


def write_answers(stack: Stack, entries: list[Entry]) -> None:
    """Write the answers, as somebody with an editor does."""
    (stack.folder / ANSWERS).write_text(json.dumps([{"urn": each.urn, "id": each.answer} for each in entries]))


def go_on(stack: Stack) -> Answered:
    """Run the page's last command."""
    return run(stack, page_command("pulumi stack import"))


def created(stack: Stack, entry: Entry, began: datetime) -> str | None:
    """Return the ID of what exists since the interrupted run, by the page's command for its kind."""
    if entry.answer is None or entry.kind == PATCH:
        return None
    heading = "namePrefix" if "namePrefix" in entry.known else f"`{entry.kind}`"
    ((command, then),) = [commands for found, *commands in look_up_commands() if heading in found]
    answer = _answer(stack, _filled_in(command, entry.known))
    if then:
        # The first command has IDs, the second one the date of one of them.
        further, cluster = _filled_in(then, entry.known), entry.known["clusterName"]
        dated = ((each, further.replace("--association-id ID", f"--association-id {each}")) for each in answer)
        answer = [[f"{cluster},{each}", _answer(stack, each_command)] for each, each_command in dated]
    dates = _dates(answer, entry)
    if "namePrefix" in entry.known:
        known = (stack.folder / RECORD).read_text()
        named = re.compile(re.escape(entry.known["namePrefix"]) + NAMED_BY_PREFIX.pattern)
        dates = {name: date for name, date in dates.items() if named.fullmatch(name) and name not in known}
    recent = [each for each, date in dates.items() if date >= began]
    assert len(recent) <= 1, recent
    return next(iter(recent), None)


def _values(known: Mapping[str, Any]) -> dict[str, str]:
    named = {**known, **known.get("metadata", {})}
    return {
        "NAMESPACE": named.get("namespace", ""),
        "NAME": named.get("name", named.get("serviceAccount", "")),
        "CLUSTER": named.get("clusterName", ""),
        "REGION": named.get("region", ""),
        "PREFIX": named.get("namePrefix", ""),
        "AWS_ACCOUNT": ACCOUNT,
        "ISSUER": named.get("url", "").removeprefix("https://"),
    }


def _filled_in(command: str, known: Mapping[str, Any]) -> str:
    values = _values(known)
    return re.sub(rf"\b({'|'.join(values)})\b", lambda found: values[found[1]], command)


def _answer(stack: Stack, command: str) -> Any:
    """Return what AWS or Kubernetes answers, None if there is no such thing; any other error is no answer."""
    words = shlex.split(command)
    if words[0] == "aws":
        try:
            return aws_iam(stack.cloud, words[2:], words[1])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                return None
            raise
    answered = run(stack, command)
    assert not answered.returncode or "NotFound" in answered.stderr, answered.stderr
    return datetime.fromisoformat(answered.stdout) if not answered.returncode else None


def _dates(found: Any, entry: Entry) -> dict[str, datetime]:
    """Return the dates of creation by ID; a command for one resource answers with its date alone."""
    if found is None or isinstance(found, list):
        return dict(found or [])
    values = _values(entry.known)
    place = "/".join(filter(None, (values["NAMESPACE"], values["NAME"])))
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{values['ISSUER']}"
    return {arn if values["ISSUER"] else place: found}
