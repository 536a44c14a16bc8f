"""What `pulumi preview --json` prints, read."""

import json
from typing import Any

import pytest

from irsa_cli.diff.preview import parse_preview
from irsa_world.exits import CouldNotLookError
from tests.unit.irsa_cli.diff.previews import (
    POLICY,
    ROLE,
    SERVICE_ACCOUNT,
    digest,
    preview,
    resource,
    role,
    step,
    trust,
)

OLD, NEW = (resource(POLICY, "p", {"name": name}) for name in ("old", "new"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n", "it is empty, as after a command that failed"),
        ("Previewing update (dev)", "not JSON"),
        ('{"sequence":0}\n{"sequence":1}\n', "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"),
        ("[]", "the document is not a JSON object"),
        ("{}", "no steps, diagnostics or changeSummary"),
        ('{"steps": {"op": "x"}}', "steps is not a list"),
        ('{"steps": ["x"]}', "steps[0] is not a JSON object"),
        (digest([{"op": "create"}]), "steps[0] has neither oldState nor newState"),
        (digest([{"op": "create", "newState": {"type": "t"}}]), "steps[0].newState.urn is not a string"),
        (digest([{"op": "create", "newState": {"type": "t", "urn": "x"}}]), "steps[0].newState.urn is not a URN"),
        (digest([{"newState": NEW}]), "steps[0].op is not a string"),
        (digest([], diagnostics=["x"]), "diagnostics[0] is not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_preview_is_said(text: str, says: str) -> None:
    with pytest.raises(
        CouldNotLookError, match=r"^preview\.json is not what `pulumi preview --json` prints: "
    ) as error:
        parse_preview(text, "preview.json")

    assert says in str(error.value)


@pytest.mark.parametrize(
    "steps",
    [
        [step("replace", OLD, NEW, replaceReasons=["name"])],
        [step("create-replacement", OLD, NEW), step("replace", OLD, NEW), step("delete-replaced", OLD)],
        [step("delete-replaced", OLD), step("replace", OLD, NEW), step("create-replacement", OLD, NEW)],
    ],
)
def test_a_replacement_is_one_step(steps: list[Any]) -> None:
    (found,) = preview(*steps).steps

    assert (found.operation, found.old and found.old.inputs["name"]) == ("replace", "old")
    assert found.new
    assert found.new.inputs["name"] == "new"


@pytest.mark.parametrize("op", ["same", "read", "refresh", "discard", "read-replacement"])
def test_what_changes_nothing_is_no_step(op: str) -> None:
    assert preview(step(op, OLD, OLD)).steps == ()


def test_a_protection_that_changes_is_a_step() -> None:
    (found,) = preview(step("same", OLD, {**OLD, "protect": True})).steps

    assert found.new
    assert found.new.protected


def test_messages_are_listed_by_severity() -> None:
    said = [
        {"severity": "warning", "message": "warning: wide trust\n", "urn": role(trust())["urn"]},
        {"severity": "warning", "message": "warning: wide trust\n", "urn": role(trust())["urn"]},
        {"severity": "error", "message": "error: update failed"},
        {"severity": "info", "message": "hello"},
    ]
    found = parse_preview(json.dumps({"diagnostics": said}), "test")

    assert (found.warnings, found.errors) == (("app: wide trust",), ("update failed",))


def test_what_a_refresh_found_is_what_was_there() -> None:
    """Protects who looks for drift: a service account that was let in by hand loses the right by the repair.

    The error: after a refresh, the AWS provider keeps the text of a document in the inputs, and what IAM has is in the
    outputs alone, so that nothing seemed to differ.
    """
    declared, live = json.dumps(trust("default:app")), json.dumps(trust("default:app", "default:mallory"))
    old = resource(ROLE, "app", {"name": "app", "assumeRolePolicy": declared}, outputs={"assumeRolePolicy": live})
    new = resource(ROLE, "app", {"name": "app", "assumeRolePolicy": declared})
    drift = {"assumeRolePolicy": {"kind": "update", "inputDiff": False}, "tags": None}
    (found,) = preview(step("update", old, new, diffReasons=["assumeRolePolicy"], detailedDiff=drift)).steps

    assert found.old
    assert found.new
    assert (found.old.inputs["assumeRolePolicy"], found.new.inputs["assumeRolePolicy"]) == (live, declared)


def test_a_stack_name_that_pulumi_would_not_take() -> None:
    steps = [step("create", None, role(trust("team-a:worker")))]
    text = digest(steps).replace("urn:pulumi:dev:", f"urn:pulumi:{'x' * 101}:")

    with pytest.raises(CouldNotLookError, match="the stack's name has 101 characters, and at most 100 are allowed"):
        parse_preview(text, "preview.json")


ANNOTATED = {"name": "app", "namespace": "team-a", "annotations": {"eks.amazonaws.com/role-arn": "arn"}}


@pytest.mark.parametrize(
    ("live", "operation", "before"),
    [
        ({**ANNOTATED, "uid": "1", "labels": {"a": "b"}}, "import", None),
        ({"name": "app", "namespace": "team-a", "uid": "1"}, "update", {"name": "app", "namespace": "team-a"}),
    ],
    ids=["as declared", "without the annotation"],
)
def test_an_imported_service_account_changes_only_where_it_differs(live: Any, operation: str, before: Any) -> None:
    new = resource(SERVICE_ACCOUNT, "app", {"metadata": ANNOTATED})
    read = {**new, "inputs": {"metadata": {"name": "app", "namespace": "team-a"}}, "outputs": {"metadata": live}}
    (found,) = preview(step("import", None, new), step("update", read, new)).steps

    assert (found.operation, found.old and found.old.inputs["metadata"]) == (operation, before)


def test_what_the_stack_does_not_set_and_somebody_did() -> None:
    """Protects `irsa diff --refresh`: a description that is removed again was "nothing differs in meaning".

    The engine names it as a reason; it is in no input, and in the outputs that the refresh read.
    """
    old = {**role({}), "outputs": {"description": "by hand", "tags": {"by": "hand"}, "arn": "arn", "path": ""}}
    (found,) = preview(step("update", old, role({}), diffReasons=["description", "tags", "path", "arn2"])).steps

    assert found.old
    assert {key: found.old.inputs.get(key) for key in ("description", "tags", "path")} == {
        "description": "by hand",
        "tags": {"by": "hand"},
        "path": "",
    }
    assert "arn2" not in found.old.inputs
