"""The commands of docs/reliability.md lose no record of what may exist, whatever was typed wrong or refused.

`pulumi` and `irsa` are replaced by programs that write down how they were called; test_engine_killed.py has the real
ones.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.layout import write_atomically
from tests.all.faults.interruption import OIDC_PROVIDER, PATCH, ROLE
from tests.all.faults.recovery import ANSWERS, EDITED, RECORD, page_command

STEPS = ["pulumi stack import", "pulumi refresh --stack", "pulumi up --stack", "irsa verify --stack"]
STATE, CALLS, REFUSED = "state-of-the-stack.json", "calls", "refused"
# The last word of an import is the file.
PROGRAM = f"""#!/bin/sh
name=$(basename "$0"); for last; do :; done
case "$name $1 $2" in
"pulumi stack export") cat {STATE}; exit ;;
esac
echo "$name $1 $2" >> {CALLS}
if [ "$name $1 $2" = "$(cat {REFUSED})" ]; then exit 1; fi
case "$name $1 $2" in
"pulumi stack import") cp "$last" {STATE} ;;
esac
"""
PROVIDER = "urn:pulumi:test::irsa::pulumi:providers:aws::default::04da6b54"


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::irsa::irsa:index:ServiceAccountRole${kind}::{name}"


def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn(kind, name), "custom": True, "type": kind, "provider": PROVIDER, **more}


def creating(kind: str, logical_name: str, **inputs: Any) -> dict[str, Any]:
    return {"type": "creating", "resource": resource(kind, logical_name, inputs=inputs)}


OLD = resource(ROLE, "app", id="app-0000001", inputs={"name": "app-0000001", "path": "/"})
NEEDS_IT = {**resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "app"), "dependencies": [OLD["urn"]]}
NEW = creating(ROLE, "app", name="app-0000002", path="/new/")


class Desk:
    """A folder in which somebody follows the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name in ("pulumi", "irsa"):
            write_atomically(folder / "bin" / name, PROGRAM, mode=0o755)
        (folder / REFUSED).write_text("")

    def has(self, resources: list[dict[str, Any]] | None, operations: list[dict[str, Any]] | None) -> None:
        """Let the stack have resources, and pending operations."""
        deployment = {"resources": resources, "pending_operations": operations}
        (self.folder / STATE).write_text(json.dumps({"version": 3, "deployment": deployment}))

    def run(self, part: str) -> "subprocess.CompletedProcess[str]":
        """Run the page's command with a text in it."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", page_command(part)],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def listed(self) -> list[dict[str, Any]]:
        """Return what the page's first command lists."""
        answer = self.run("tee ids.json")
        assert answer.returncode == 0, answer.stderr
        entries: list[dict[str, Any]] = json.loads(answer.stdout)
        return entries

    def answer(self, *ids: str | int | None) -> None:
        """Write these IDs into the list."""
        entries = [{**entry, "id": found} for entry, found in zip(self.listed(), ids, strict=True)]
        self.write(entries)

    def write(self, entries: Any) -> None:
        (self.folder / ANSWERS).write_text(json.dumps(entries))

    def stopped(self) -> str:
        """Go on, which must stop before it changes the stack; return what was said."""
        before, record = self.state(), (self.folder / RECORD).read_text()
        answer = self.run("pulumi stack import")
        assert answer.returncode != 0
        assert self.state() == before
        assert (self.folder / RECORD).read_text() == record
        assert self.calls() == []
        return answer.stderr

    def goes_on(self) -> list[dict[str, Any]]:
        """Go on to the end; return the resources that were imported."""
        answer = self.run("pulumi stack import")
        assert answer.returncode == 0, answer.stderr
        assert self.calls() == [
            "pulumi stack import",
            "pulumi refresh --stack",
            "pulumi up --stack",
            "irsa verify --stack",
        ]
        assert not [name for name in (RECORD, ANSWERS, EDITED) if (self.folder / name).exists()]
        deployment = self.state()["deployment"]
        assert deployment["pending_operations"] == []
        resources: list[dict[str, Any]] = deployment["resources"]
        return resources

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / STATE).read_text())
        return found

    def calls(self) -> list[str]:
        file = self.folder / CALLS
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("operations", [None, [], [{"type": "deleting", "resource": OLD}]])
def test_a_state_without_pending_creations(desk: Desk, operations: Any) -> None:
    """Protects who was lucky: the list is empty, and no error of jq's stands in the way."""
    desk.has([OLD], operations)
    assert desk.listed() == []


def test_the_list_names_what_may_exist_and_where(desk: Desk) -> None:
    """Protects the search: name, prefix, URL, namespace and annotations are there; what needs no search is answered."""
    metadata = {"name": "app", "namespace": "team-a", "annotations": {"eks.amazonaws.com/role-arn": "arn"}}
    component = {"type": "creating", "resource": {"urn": "urn:of-a-component", "type": "irsa:index:ServiceAccountRole"}}
    attachment = creating("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "app", role="app")
    operations = [NEW, creating(ROLE, "b", namePrefix="b-"), creating(OIDC_PROVIDER, "c", url="https://issuer")]
    desk.has([], [*operations, creating(PATCH, "d", metadata=metadata), attachment, component])
    assert desk.listed() == [
        {"urn": urn(ROLE, "app"), "id": "?", "name": "app-0000002"},
        {"urn": urn(ROLE, "b"), "id": "?", "namePrefix": "b-"},
        {"urn": urn(OIDC_PROVIDER, "c"), "id": "?", "url": "https://issuer"},
        {"urn": urn(PATCH, "d"), "id": "?", "metadata": metadata},
        {"urn": attachment["resource"]["urn"], "id": None},
        {"urn": "urn:of-a-component", "id": None},
    ]


@pytest.mark.parametrize("resources", [None, [], [resource(ROLE, "other", id="other")]])
def test_what_exists_is_recorded_and_what_does_not_is_left_out(desk: Desk, resources: Any) -> None:
    """Protects the record: an ID moves the resource into the state, in a state without any resources too."""
    desk.has(resources, [NEW, creating(ROLE, "absent", name="absent"), {"type": "deleting", "resource": OLD}])
    desk.answer("app-0000002", None)
    assert desk.goes_on() == [*(resources or []), {**NEW["resource"], "id": "app-0000002"}]


@pytest.mark.parametrize("answered", ["?", "", 7, True, ["app-0000002"]])
def test_without_an_answer_nothing_is_lost(desk: Desk, answered: Any) -> None:
    """Protects what nobody has looked for: it must not leave the state unnoticed."""
    desk.has([], [NEW, creating(ROLE, "other", name="other")])
    desk.answer("app-0000002", answered)
    assert f"no answer in ids.json: {urn(ROLE, 'other')}" in desk.stopped()


def test_a_mistyped_list_loses_nothing(desk: Desk) -> None:
    """Protects from a slip: a wrong URN, a line that was cut out or is there twice, a file that is no JSON."""
    desk.has([], [NEW, creating(ROLE, "other", name="other")])
    desk.answer("app-0000002", None)
    first, second = json.loads((desk.folder / ANSWERS).read_text())
    typed = {**first, "urn": first["urn"].replace("Role::app", "Role::ap")}
    without_id = {key: value for key, value in second.items() if key != "id"}
    mistyped: list[Any] = [
        [typed, second],
        [first],
        [second, first],
        [first, first, second],
        [first, without_id],
        {},
        [7],
    ]
    for entries in mistyped:
        desk.write(entries)
        assert "jq: error" in desk.stopped()
    for text in ("", "[", f"{json.dumps([first])}{json.dumps([second])}"):
        (desk.folder / ANSWERS).write_text(text)
        desk.stopped()
    desk.write([first, second])
    desk.goes_on()


def test_the_id_of_what_the_state_has_is_refused(desk: Desk) -> None:
    """Protects the role in use: recorded twice, one of them would be deleted, and the role with it."""
    desk.has([OLD, resource(ROLE, "other", id="other")], [NEW])
    for known in ("app-0000001", "other"):
        desk.answer(known)
        assert f"{known} is in the state already" in desk.stopped()


def test_one_id_for_two_creations_is_refused(desk: Desk) -> None:
    """Protects from the same where one resource was interrupted twice: each `up` keeps what was pending before."""
    desk.has([], [NEW, NEW])
    desk.answer("app-0000002", "app-0000002")
    assert "app-0000002 is in the state already" in desk.stopped()


def test_the_same_name_of_two_aws_accounts_is_no_mistake(desk: Desk) -> None:
    """Names of roles are unique in an AWS account only; each account has a provider of its own."""
    other = resource(ROLE, "other", id="app-0000002") | {"provider": f"{PROVIDER}-of-the-other-account"}
    desk.has([other], [NEW])
    desk.answer("app-0000002")
    assert len(desk.goes_on()) == len((other, NEW))


def test_a_replacement_that_was_interrupted(desk: Desk) -> None:
    """Protects both: the new one comes before what needs it, and the old one is deleted by the next `up`.

    The engine writes them so itself: of the resources with one URN all but one have `delete`
    (pkg/resource/deploy/snapshot.go).
    """
    desk.has([OLD, NEEDS_IT], [NEW])
    desk.answer("app-0000002")
    assert desk.goes_on() == [{**NEW["resource"], "id": "app-0000002"}, {**OLD, "delete": True}, NEEDS_IT]


def test_a_replacement_that_did_not_happen(desk: Desk) -> None:
    """Protects the old one, which is still in use: it stays as it is."""
    desk.has([OLD, NEEDS_IT], [NEW])
    desk.answer(None)
    assert desk.goes_on() == [OLD, NEEDS_IT]


def test_a_replacement_that_was_interrupted_twice(desk: Desk) -> None:
    """Protects from orphans: the last one is kept, the others are deleted by the next `up`."""
    third = creating(ROLE, "app", name="app-0000003", path="/new/")
    deleted = {**OLD, "id": "app-0000000", "delete": True}
    desk.has([deleted, OLD, NEEDS_IT], [NEW, third])
    desk.answer("app-0000002", "app-0000003")
    assert desk.goes_on() == [
        deleted,
        {**third["resource"], "id": "app-0000003"},
        {**NEW["resource"], "id": "app-0000002", "delete": True},
        {**OLD, "delete": True},
        NEEDS_IT,
    ]


def test_a_replacement_whose_old_one_is_deleted(desk: Desk) -> None:
    """Protects a name of one's own: the old one is deleted first, and its entry only waits for the new one."""
    waiting = {**OLD, "pendingReplacement": True}
    again = creating(ROLE, "app", name="app-0000001", path="/new/")
    desk.has([waiting, NEEDS_IT], [again])
    desk.answer("app-0000001")
    assert desk.goes_on() == [{**again["resource"], "id": "app-0000001"}, NEEDS_IT]


@pytest.mark.parametrize("refused", STEPS)
def test_what_is_refused_stops_the_rest_and_keeps_the_record(desk: Desk, refused: str) -> None:
    """Protects the only record: `pulumi stack import` drops all pending operations, and may be refused itself."""
    desk.has([], [NEW])
    desk.answer("app-0000002")
    record = (desk.folder / RECORD).read_text()
    (desk.folder / REFUSED).write_text(refused)
    assert desk.run("pulumi stack import").returncode != 0
    assert desk.calls()[-1] == refused
    assert (desk.folder / RECORD).read_text() == record


def test_a_state_that_has_changed_is_not_overwritten(desk: Desk) -> None:
    """Protects what was deployed meanwhile, or since the import: the same lines, pasted again, change nothing."""
    desk.has([], [NEW])
    desk.answer("app-0000002")
    desk.has([OLD], [NEW])
    desk.stopped()


def test_annotations_are_removed_where_they_are_those_of_the_run(desk: Desk) -> None:
    """Protects the cluster: what is printed is one shell word for each value, whatever is in it.

    The patch is refused by the API server where a test fails: https://datatracker.ietf.org/doc/html/rfc6902#section-4.6
    """
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app", "a~b/c": "it's $(id) `id`\n"}
    metadata = {"name": "app", "namespace": "team-a", "annotations": annotations}
    desk.has([], [creating(PATCH, "app", metadata=metadata), NEW])
    desk.listed()
    write_atomically(desk.folder / "bin" / "kubectl", '#!/bin/sh\nprintf "%s\\n" "$@"\n', mode=0o755)
    commands = desk.run("kubectl patch").stdout.splitlines()
    patches = []
    for command in commands:
        path = f"{desk.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        said = subprocess.run(["sh", "-c", command], env={"PATH": path}, capture_output=True, text=True, check=True)
        *words, patch = said.stdout.splitlines()
        assert words == ["patch", "serviceaccount", "app", "-n", "team-a", "--type", "json", "-p"]
        patches.append(json.loads(patch))
    paths = ("/metadata/annotations/eks.amazonaws.com~1role-arn", "/metadata/annotations/a~0b~1c")
    assert patches == [
        [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]
        for path, value in zip(paths, annotations.values(), strict=True)
    ]
