"""irsa recover: no record of what may exist is lost, and nothing of somebody else is taken."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.exits import CouldNotLookError
from irsa_cli.main import main
from irsa_cli.recover import LOOK_UPS, answers_of, list_of, pending_creations, with_created
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
OTHER = creating(types.ROLE, "other", name="other")


def state(resources: list[dict[str, Any]] | None, *operations: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": resources, "pending_operations": [*operations] or None}}


def recovered(before: dict[str, Any], *ids: Any) -> list[dict[str, Any]]:
    """Return the resources of the state with these answers, written into the list that is printed."""
    pending = pending_creations(before)
    listed = yaml.safe_load(list_of(pending))
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
    component = {"type": "creating", "resource": {"urn": "urn:of-a-component", "type": "irsa:index:ServiceAccountRole"}}
    attachment = creating(types.ATTACHMENT, "app", role="app")
    unknown = creating("aws:s3/bucket:Bucket", "logs", bucket="logs")
    operations = [*created.values(), prefixed, unknown, component, attachment]
    text = list_of(pending_creations(state([], *operations, {"type": "deleting", "resource": OLD})))

    assert [each["urn"] for each in yaml.safe_load(text)] == [each["resource"]["urn"] for each in operations]
    assert [each["id"] for each in yaml.safe_load(text)] == ["?"] * (len(operations) - 2) + [None, None]
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
        "irsa has no command that looks for it. Its ID is the one that `pulumi import` takes.",
    ):
        assert f"# {line}" in text.splitlines()


@pytest.mark.parametrize("name", ["x; curl evil", "a`b", "a'b", "a\nb", '"] || [', "", None])
def test_a_name_that_no_cloud_has_is_in_no_command(name: Any) -> None:
    """Protects who pastes: a name in a state that somebody else wrote neither leaves its place nor its line."""
    for kind in LOOK_UPS:
        text = list_of(
            pending_creations(state([], creating(kind.partition(" ")[0], "app", name=name, namePrefix=name)))
        )
        assert "# irsa has no command" in text
        assert [each["id"] for each in yaml.safe_load(text)] == ["?"]


def test_annotations_are_removed_where_they_are_those_of_the_run() -> None:
    """Protects the cluster: a patch fails where a test does, and each value stays one word of the command.

    https://datatracker.ietf.org/doc/html/rfc6902#section-4.6
    """
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app", "a~b/c": "it's $(id) `id`\n"}
    metadata = {"name": "app", "namespace": "team-a", "annotations": annotations}
    text = list_of(pending_creations(state([], creating(types.SERVICE_ACCOUNT_PATCH, "app", metadata=metadata))))
    commands = [shlex.split(each) for each in re.findall(r"^# (kubectl .*)$", text, re.MULTILINE)]

    assert [each["id"] for each in yaml.safe_load(text)] == ["?"]
    patch = ["kubectl", "patch", "serviceaccount", "app", "-n", "team-a", "--type", "json", "-p"]
    assert [each[:-1] for each in commands] == [patch, patch]
    paths = ("/metadata/annotations/eks.amazonaws.com~1role-arn", "/metadata/annotations/a~0b~1c")
    assert [json.loads(each[-1]) for each in commands] == [
        [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]
        for path, value in zip(paths, annotations.values(), strict=True)
    ]


@pytest.mark.parametrize("operations", [[], [{"type": "deleting", "resource": OLD}]])
def test_a_state_without_pending_creations(operations: Any) -> None:
    """Protects who was lucky: the list is empty, and says so."""
    text = list_of(pending_creations(state([OLD], *operations)))

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


@pytest.mark.parametrize("known", ["app-0000001", "x"])
def test_the_id_of_what_the_state_has_is_refused(known: str) -> None:
    """Protects the role in use: recorded twice, one of them would be deleted, and the role with it."""
    with pytest.raises(CouldNotLookError, match=f"{known} is in the state already"):
        recovered(state([OLD | {"provider": "of before"}, resource(types.ROLE, "x", id="x")], NEW), known)


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


def test_a_replacement_whose_old_one_is_deleted() -> None:
    """Protects a name that somebody chose: the old one is deleted first, and its entry only waits for the new one."""
    waiting = {**OLD, "pendingReplacement": True}
    again = creating(types.ROLE, "app", name="app-0000001", path="/new/")

    expected = [{**again["resource"], "id": "app-0000001"}, NEEDS_IT]
    assert recovered(state([waiting, NEEDS_IT], again), "app-0000001") == expected


def test_the_command_reads_two_files_and_says_what_it_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who pipes: what is printed is the list or the state alone; what becomes of each is on stderr."""
    before, ids = tmp_path / "before.json", tmp_path / "ids.yaml"
    before.write_text(json.dumps(state([], NEW, OTHER)))
    assert main(["recover", str(before)]) == 0
    listed = capsys.readouterr().out
    ids.write_text(listed.replace('"?"', "app-0000002", 1).replace('"?"', "null"))
    assert main(["recover", str(before), str(ids)]) == 0
    said = capsys.readouterr()

    assert json.loads(said.out)["deployment"]["resources"] == [{**NEW["resource"], "id": "app-0000002"}]
    assert said.err.splitlines() == [
        f"{urn(types.ROLE, 'app')}: added to the state as app-0000002",
        f"{urn(types.ROLE, 'other')}: left out: `pulumi up` creates it",
    ]
    assert json.loads(before.read_text()) == state([], NEW, OTHER)


@pytest.mark.parametrize("text", ["", "[", "{}{}", "[]", '{"deployment": {"pending_operations": [7]}}', "[" * 9000])
def test_a_file_that_is_no_state_is_an_error(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who names another file: no traceback, and nothing on standard output to be imported."""
    file = tmp_path / "before.json"
    file.write_text(text)

    assert main(["recover", str(file)]) == 2
    assert capsys.readouterr().out == ""
