"""irsa recover: no record of what may exist is lost, and nothing of somebody else is taken."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa_cli.exits import CouldNotLookError
from irsa_cli.main import main
from irsa_cli.recover import LOOK_UPS, answers_of, entries_of, list_of, pending_creations, with_created
from irsa_cli.state import types

PROVIDER = "urn:pulumi:test::irsa::pulumi:providers:aws::default::04da6b54"


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::irsa::irsa:index:ServiceAccountRole${kind}::{name}"


def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn(kind, name), "custom": True, "type": kind, "provider": PROVIDER, **more}


def creating(kind: str, logical_name: str, **inputs: Any) -> dict[str, Any]:
    return {"type": "creating", "resource": resource(kind, logical_name, inputs=inputs)}


OLD = resource(types.ROLE, "app", id="app-0000001", inputs={"name": "app-0000001", "path": "/"})
NEEDS_IT = {**resource(types.ATTACHMENT, "app"), "dependencies": [OLD["urn"]]}
NEW = creating(types.ROLE, "app", name="app-0000002", path="/new/")
# With a name that the provider completes; each creation has another.
AUTOMATIC = creating(types.ROLE, "app", namePrefix="app-", path="/new/")
OTHER = creating(types.ROLE, "other", name="other")


COMPONENT = {"type": "creating", "resource": {"urn": urn("a", "component"), "type": "irsa:index:ServiceAccountRole"}}


def state(resources: list[dict[str, Any]] | None, *operations: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": resources, "pending_operations": [*operations] or None}}


def recovered(before: dict[str, Any], *ids: Any) -> list[dict[str, Any]]:
    """Return the resources of the state with these answers, written into the list that is printed."""
    pending = pending_creations(before)
    listed = yaml.safe_load(list_of(before))
    written = [{**entry, "id": found} for entry, found in zip(listed, ids, strict=True)]
    deployment = with_created(before, pending, answers_of(written, pending))["deployment"]
    assert deployment["pending_operations"] == []
    resources: list[dict[str, Any]] = deployment["resources"]
    return resources


def test_what_may_exist_has_a_command_and_the_rest_is_answered() -> None:
    """Protects the search: the command has its name, prefix, issuer or namespace, and can be pasted as it is."""
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    app = {"name": "app", "namespace": "team-a"}
    association = {"region": "us-west-2", "clusterName": "blue", "namespace": "team-a", "serviceAccount": "app"}
    created = {
        types.ROLE: creating(types.ROLE, "a", name="my-role"),
        types.POLICY: creating(types.POLICY, "b", name="my-policy"),
        types.OIDC_PROVIDER: creating(types.OIDC_PROVIDER, "c", url=f"https://{issuer}"),
        types.POD_IDENTITY_ASSOCIATION: creating(types.POD_IDENTITY_ASSOCIATION, "d", **association),
        types.SERVICE_ACCOUNT: creating(types.SERVICE_ACCOUNT, "e", metadata=app),
        types.NAMESPACE: creating(types.NAMESPACE, "f", metadata={"name": "team-a"}),
    }
    prefixed = creating(types.ROLE, "prefixed", namePrefix="my-")
    attachment = creating(types.ATTACHMENT, "app", role="app")
    patched = creating(f"{types.NAMESPACE}Patch", "team-b", metadata={"name": "team-b"})
    unknown = creating("aws:s3/bucket:Bucket", "logs", bucket="logs")
    operations = [*created.values(), prefixed, unknown, COMPONENT, attachment, patched]
    text = list_of(state([], *operations, {"type": "deleting", "resource": OLD}))

    assert [each["urn"] for each in yaml.safe_load(text)] == [each["resource"]["urn"] for each in operations]
    assert [each["id"] for each in yaml.safe_load(text)] == ["?"] * (len(operations) - 3) + [None] * 3
    # https://awscli.amazonaws.com/v2/documentation/api/latest/reference/iam/get-role.html and its neighbours
    for line in (
        "aws iam get-role --role-name=my-role --query=Role.CreateDate",
        "its ID: my-role",
        """aws iam list-policies --scope=Local '--query=Policies[?PolicyName==`"my-policy"`].[Arn,CreateDate]'""",
        f"its ID: the ARN that ends with oidc-provider/{issuer}",
        "its ID: blue,ID",
        "kubectl get serviceaccount --namespace=team-a '--output=jsonpath={.metadata.creationTimestamp}' -- app",
        "its ID: team-a/app",
        """aws iam list-roles '--query=Roles[?starts_with(RoleName,`"my-"`)].[RoleName,CreateDate]'""",
        "irsa has no command that looks for it. Its ID is the one that pulumi import takes.",
    ):
        assert f"# {line}" in text.splitlines()


@pytest.mark.parametrize("name", ["x; curl evil", "a`b", "a'b", "a\nb", '"] || [', "", None])
def test_a_name_that_no_cloud_has_is_in_no_command(name: Any) -> None:
    """Protects who pastes: a name in a state that somebody else wrote neither leaves its place nor its line."""
    for kind in LOOK_UPS:
        text = list_of(state([], creating(kind.partition(" ")[0], "app", name=name, namePrefix=name)))
        assert "# irsa has no command" in text
        assert [each["id"] for each in yaml.safe_load(text)] == ["?"]


def test_annotations_are_removed_where_they_are_those_of_the_run() -> None:
    """Protects the cluster: a patch fails where a test does, and each value stays one word of the command.

    https://datatracker.ietf.org/doc/html/rfc6902#section-4.6
    """
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app", "a~b/c": "it's $(id) `id`\n"}
    metadata = {"name": "app", "namespace": "team-a", "annotations": annotations}
    text = list_of(state([], creating(types.SERVICE_ACCOUNT_PATCH, "app", metadata=metadata)))
    commands = [shlex.split(each) for each in re.findall(r"^# (kubectl .*)$", text, re.MULTILINE)]

    assert [each["id"] for each in yaml.safe_load(text)] == ["?"]
    patch = ["kubectl", "patch", "serviceaccount", "app", "-n", "team-a", "--type", "json", "-p"]
    assert [each[:-1] for each in commands] == [patch, patch]
    paths = ("/metadata/annotations/eks.amazonaws.com~1role-arn", "/metadata/annotations/a~0b~1c")
    assert [json.loads(each[-1]) for each in commands] == [
        [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]
        for path, value in zip(paths, annotations.values(), strict=True)
    ]


SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": "hunter2"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize("hidden", [SECRET, UNKNOWN, 7])
def test_what_a_patch_has_that_is_no_known_text_is_in_no_command(hidden: Any) -> None:
    """Protects secrets from terminals and CI logs, and the cluster from a command for another service account."""
    annotations = {"a/b": hidden, "c/d": "known"}
    metadata = {"name": "app", "annotations": annotations}
    patches = [metadata, {**metadata, "annotations": hidden}, {**metadata, "name": hidden}, hidden]
    texts = [
        list_of(state([], creating(types.SERVICE_ACCOUNT_PATCH, "app", metadata=each)))
        for each in [*patches, {**metadata, "namespace": hidden}]
    ]

    assert all("hunter2" not in text and UNKNOWN not in text and "look by hand" in text for text in texts)
    # Without a namespace, it is `default`: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
    assert ["kubectl patch serviceaccount app -n default" in text for text in texts] == [True, *[False] * 4]


@settings(max_examples=50)
@given(st.text(min_size=1))
@example("$(touch PWN)")
@example("`touch PWN`'; touch PWN; '")
@example('"; touch PWN; "\n touch PWN')
@example("\U0001f600 it's \ud800")
def test_a_list_that_is_pasted_into_a_shell_runs_nothing_of_a_urn(name: str) -> None:
    """Protects who pastes the list, commands and all: a name stays one word of a line, and is read back the same."""
    before = state([], creating("aws:s3/bucket:Bucket", name))
    text = list_of(before)
    (line,) = [each for each in text.splitlines() if each.startswith("- urn: ")]

    assert [each["urn"] for each in entries_of(text)] == [urn("aws:s3/bucket:Bucket", name)]
    assert len(shlex.split(line)) == 3
    # Nothing acts in single quotes; in double quotes the dollar sign, the backtick, the backslash and, where a person
    # types, the exclamation mark do: https://www.gnu.org/software/bash/manual/html_node/Quoting.html
    quoted = line.removeprefix("- urn: ")
    assert quoted[0] == "'" or not re.search(r"[$`!]|\\(?!U[0-9a-f]{8})", quoted)


def test_a_pasted_list_runs_nothing(tmp_path: Path) -> None:
    """Protects from the same, in bash itself; and in zsh, which runs comments that are typed.

    The last line shows that bash has run all of them.
    """
    hostile = [
        "$(touch PWN)",
        "`touch PWN`'; touch PWN; '",
        '"; touch PWN; "\n touch PWN',
        "$(touch \U0001f600)",
    ]
    (tmp_path / "bin").mkdir()
    bash, touch = (shutil.which(each) or "" for each in ("bash", "touch"))
    (tmp_path / "bin" / "touch").symlink_to(touch)
    for name in hostile:
        known = resource(types.ROLE, name, id=name, created="2026-01-02T03:04:05Z")
        metadata = {"name": name, "namespace": name, "annotations": {name: name, f"{name}2": SECRET}}
        patch = creating(types.SERVICE_ACCOUNT_PATCH, name, metadata=metadata)
        text = list_of(state([known], creating(types.ROLE, name, name=name), creating(types.ROLE, "x"), patch))
        for script in (text, text.partition("\n\n")[2].replace("# ", "")):
            command = [bash, "-c", f"{script}\ntouch {tmp_path}/ran"]
            subprocess.run(command, cwd=tmp_path, env={"PATH": f"{tmp_path}/bin"}, capture_output=True, check=False)
            assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "ran"]
            (tmp_path / "ran").unlink()


@pytest.mark.parametrize("operations", [[], [{"type": "deleting", "resource": OLD}]])
def test_a_state_without_pending_creations(operations: Any) -> None:
    """Protects who was lucky: the list is empty, and says so."""
    text = list_of(state([OLD], *operations))

    assert yaml.safe_load(text) == []
    assert "nothing to recover" in text


@pytest.mark.parametrize("resources", [None, [], [resource(types.ROLE, "x", id="x")]])
def test_what_exists_is_recorded_and_what_does_not_is_left_out(resources: Any) -> None:
    """Protects the record: an ID moves the resource into the state, in a state without any resources too."""
    before = state(resources, NEW, OTHER, {"type": "deleting", "resource": OLD})

    assert recovered(before, "app-0000002", None) == [*(resources or []), {**NEW["resource"], "id": "app-0000002"}]


@pytest.mark.parametrize("answered", ["?", "", 7, True, ["app-0000002"]])
def test_without_an_answer_nothing_is_lost(answered: Any) -> None:
    """Protects what nobody has looked for: it must not leave the state unnoticed."""
    with pytest.raises(CouldNotLookError, match=r"no answer for urn:.*::other"):
        recovered(state([], NEW, OTHER), "app-0000002", answered)


def test_a_mistyped_list_loses_nothing() -> None:
    """Protects from a common error: a wrong URN, a line that was cut out or is there twice."""
    pending = pending_creations(state([], NEW, OTHER))
    first, second = ({"urn": each["urn"], "id": None} for each in pending)
    typed = {**first, "urn": f"{first['urn']}x"}
    mistyped: list[Any] = [[typed, second], [first], [second, first], [first, first, second], {}, [7], None, "text"]
    for entries in mistyped:
        with pytest.raises(CouldNotLookError, match="print it again"):
            answers_of(entries, pending)
    with pytest.raises(CouldNotLookError, match="no answer"):
        answers_of([first, {"urn": second["urn"]}], pending)


@pytest.mark.parametrize("written", ["", "!!null x", "[null]", "{}", "7", "!!int ''", "!!bool x", "!!python/name:x"])
def test_only_a_written_null_leaves_out(written: str) -> None:
    """Protects who deletes the question mark and forgets the rest: YAML takes an empty value for null."""
    text = list_of(state([], OTHER))
    pending = pending_creations(state([], OTHER))

    assert answers_of(entries_of(text.replace('"?"', "null")), pending) == [None]
    assert answers_of(entries_of(text.replace('"?"', "~")), pending) == [None]
    with pytest.raises(CouldNotLookError, match="no answer"):
        answers_of(entries_of(text.replace('"?"', written)), pending)
    with pytest.raises(CouldNotLookError, match="twice"):
        entries_of(text.replace('"?"', "other\n  id: null"))


ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
APP = {"name": "app", "namespace": "team-a"}
# By type: inputs, the ID that the section "Import" of its page in https://www.pulumi.com/registry has, and IDs of
# something else.
IDS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    types.ROLE: ({"name": "app"}, "app", ["admin", "other", "arn:aws:iam::111122223333:role/app", "App"]),
    types.POLICY: (
        {"name": "app"},
        "arn:aws:iam::111122223333:policy/path/app",
        ["app", "arn:aws:iam::111122223333:policy/other", "arn:aws:iam::111122223333:role/app"],
    ),
    types.OIDC_PROVIDER: (
        {"url": f"https://{ISSUER}"},
        f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}",
        [ISSUER, f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}2"],
    ),
    types.POD_IDENTITY_ASSOCIATION: (
        {"clusterName": "blue"},
        "blue,a-abcdefghijklmnop1",
        ["a-abcdefghijklmnop1", "green,a-abcdefghijklmnop1", "blue,ID", "blue,"],
    ),
    types.SERVICE_ACCOUNT: ({"metadata": APP}, "team-a/app", ["app", "team-b/app", "team-a/other"]),
    types.NAMESPACE: ({"metadata": {"name": "team-a"}}, "team-a", ["team-b", "team-a/app"]),
    "aws:s3/bucket:Bucket": ({"bucket": "logs", "metadata": "x"}, "logs", []),
}


@pytest.mark.parametrize("kind", IDS)
def test_an_id_that_the_inputs_contradict_is_refused(kind: str) -> None:
    """Protects somebody else's role: recorded under this URN, the next `pulumi up` would change or delete it."""
    inputs, right, others = IDS[kind]
    before = state([], creating(kind, "app", **inputs))
    wrong = [*others, f"{right} ", f" {right}", f"{right}\n", "null", "~", "? ", " ", "<ID>"]

    assert [each["id"] for each in recovered(before, right)] == [right]
    for answer in wrong:
        with pytest.raises(CouldNotLookError, match="cannot be the ID"):
            recovered(before, answer)


def test_the_id_of_an_automatic_name_begins_with_its_prefix() -> None:
    """Protects from the same, where the inputs have the start of the name only; a component has no ID at all."""
    for operation, answer in ((AUTOMATIC, "admin"), (AUTOMATIC, "app-"), (COMPONENT, "app")):
        with pytest.raises(CouldNotLookError, match="cannot be the ID"):
            recovered(state([], operation), answer)


@pytest.mark.parametrize("known", ["app-0000001", "app-x"])
def test_the_id_of_what_the_state_has_is_refused(known: str) -> None:
    """Protects the role in use: recorded twice, one of them would be deleted, and the role with it."""
    with pytest.raises(CouldNotLookError, match=f"{known} is in the state already"):
        recovered(state([OLD | {"provider": "of before"}, resource(types.ROLE, "x", id="app-x")], AUTOMATIC), known)


def test_the_id_of_an_association_of_the_state_is_refused() -> None:
    """Protects the association in use, likewise: its ID in a state has no cluster, unlike that of an import."""
    known = resource(types.POD_IDENTITY_ASSOCIATION, "app", id="a-abcdefghijklmnop1")
    with pytest.raises(CouldNotLookError, match="is in the state already"):
        recovered(
            state([known], creating(types.POD_IDENTITY_ASSOCIATION, "app", clusterName="blue")),
            "blue,a-abcdefghijklmnop1",
        )


def test_one_id_for_two_creations_is_refused() -> None:
    """Protects from the same where one resource was interrupted twice: each `up` keeps what was pending before."""
    with pytest.raises(CouldNotLookError, match="app-0000002 is in the state already"):
        recovered(state([], NEW, NEW), "app-0000002", "app-0000002")


def test_the_same_name_in_two_aws_accounts_is_no_error() -> None:
    """Names of roles are unique in an AWS account only; each AWS account has a provider of its own."""
    other = resource(types.ROLE, "x", id="app-0000002") | {"provider": f"{PROVIDER}-of-another"}

    assert recovered(state([other], NEW), "app-0000002") == [other, {**NEW["resource"], "id": "app-0000002"}]


# The engine writes them so itself: of the resources with one URN all but one have `delete`
# (pkg/resource/deploy/snapshot.go).


def test_a_replacement_that_was_interrupted() -> None:
    """Protects both: the new one comes before what needs it, and the old one is deleted by the next `up`."""
    new = {**NEW["resource"], "id": "app-0000002"}

    assert recovered(state([OLD, NEEDS_IT], NEW), "app-0000002") == [new, {**OLD, "delete": True}, NEEDS_IT]
    assert recovered(state([OLD, NEEDS_IT], NEW), None) == [OLD, NEEDS_IT]


def test_a_replacement_that_was_interrupted_twice() -> None:
    """Protects from orphans: the last one is kept, the others are deleted by the next `up`."""
    third = creating(types.ROLE, "app", name="app-0000003", path="/new/")
    deleted = {**OLD, "id": "app-0000000", "delete": True}

    assert recovered(state([deleted, OLD, NEEDS_IT], NEW, third), "app-0000002", "app-0000003") == [
        deleted,
        {**third["resource"], "id": "app-0000003"},
        {**NEW["resource"], "id": "app-0000002", "delete": True},
        {**OLD, "delete": True},
        NEEDS_IT,
    ]


def test_an_older_creation_does_not_displace_the_role_in_use() -> None:
    """Protects Pods: a later `up` has created app-0000001, which they use, and kept the pending creation.

    That of an automatic name is deleted by the next `up`, whichever is older; and the list says so.
    """
    for inputs in ({"namePrefix": "app-"}, {"name": "app-0000002", "__defaults": ["name"]}):
        before = state([OLD, NEEDS_IT], creating(types.ROLE, "app", **inputs))
        older = {**pending_creations(before)[0], "id": "app-0000002", "delete": True}

        assert recovered(before, "app-0000002") == [OLD, NEEDS_IT, older]
        assert "deletes what has this ID" in list_of(before)


def test_which_is_deleted_is_said_where_it_cannot_be_told() -> None:
    """Protects the role in use, if somebody chose both names: who answers sees both, and the date."""
    text = list_of(state([OLD | {"created": "2026-01-02T03:04:05Z"}, NEEDS_IT], NEW))

    assert "the state has 'app-0000001', created '2026-01-02T03:04:05Z'." in text
    assert "deletes 'app-0000001'. If that is the newer one, write null" in text


def test_a_replacement_whose_old_one_is_deleted() -> None:
    """Protects a name that somebody chose: the old one is deleted first, and its entry only waits for the new one."""
    waiting = {**OLD, "pendingReplacement": True}
    again = creating(types.ROLE, "app", name="app-0000001", path="/new/")

    expected = [{**again["resource"], "id": "app-0000001"}, NEEDS_IT]
    assert recovered(state([waiting, NEEDS_IT], again), "app-0000001") == expected


def test_the_command_reads_two_files_and_says_what_it_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who pipes: what is printed is the list or the state alone; what becomes of each is on stderr."""
    before, ids = tmp_path / "before.json", tmp_path / "ids.yaml"
    other = resource(types.POLICY, "x", id="arn:aws:iam::111122223333:policy/x-1")
    renamed = creating(types.POLICY, "x", name="x-2")
    arn = "arn:aws:iam::111122223333:policy/x-2"
    written = state([other], AUTOMATIC, AUTOMATIC, OTHER, renamed)
    before.write_text(json.dumps(written))
    assert main(["recover", str(before)]) == 0
    listed = capsys.readouterr().out
    for answer in ("app-0000001", "app-0000002", "null", arn):
        listed = listed.replace('"?"', answer, 1)
    ids.write_text(listed)
    assert main(["recover", str(before), str(ids)]) == 0
    said = capsys.readouterr()

    found = json.loads(said.out)["deployment"]["resources"]
    assert [(each["id"], each.get("delete", False)) for each in found] == [
        *((arn, False), (other["id"], True), ("app-0000001", False), ("app-0000002", True))
    ]
    assert said.err.splitlines() == [
        f"{urn(types.ROLE, 'app')}: added to the state as app-0000001",
        f"{urn(types.ROLE, 'app')}: added to the state as app-0000002, which the next `pulumi up` deletes",
        f"{urn(types.ROLE, 'other')}: left out: `pulumi up` creates it",
        (
            f"{urn(types.POLICY, 'x')}: added to the state as {arn}; the next `pulumi up` deletes '{other['id']}'. "
            "If that is the newer one, write null, and delete the older one by hand"
        ),
    ]
    assert json.loads(before.read_text()) == written


# A preview, the file of a backend, and states with a value of another kind.
OTHER_FILES = [
    json.dumps(each)
    for each in (
        {"steps": [], "changeSummary": {}},
        {"version": 3, "checkpoint": {"latest": {"pending_operations": [NEW]}}},
        {"deployment": []},
        {"deployment": {"pending_operations": [7]}},
        {"deployment": {"pending_operations": [{"type": "creating", "resource": {**NEW["resource"], "inputs": 7}}]}},
        *({"deployment": {"resources": [each], "pending_operations": [NEW]}} for each in (7, None, {}, {"urn": 7})),
    )
]


@pytest.mark.parametrize("text", ["", "[", "{}{}", "[]", "{}", "7", "[" * 9000, *OTHER_FILES])
def test_a_file_that_is_no_state_is_an_error(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who names another file: no traceback, and nothing on standard output to be imported."""
    file = tmp_path / "before.json"
    file.write_text(text)

    assert main(["recover", str(file)]) == 2
    assert capsys.readouterr().out == ""
