"""What `pulumi preview --json` prints, read: as it is, after an import, and damaged."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from irsa_cli.main import main
from irsa_world.exits import CouldNotLookError
from irsa_world.state.preview import parse_preview
from tests.places import at, places
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ATTACHMENT,
    COMPONENT,
    POLICY,
    ROLE,
    SECRET,
    SERVICE_ACCOUNT,
    UNKNOWN,
    digest,
    oidc_provider,
    resource,
    rows,
    step,
    trust,
    urn,
)
from tests.unit.irsa_cli.diff.test_guards import binding, config_map, guard

ANNOTATED = {"name": "app", "namespace": "team-a", "annotations": {"eks.amazonaws.com/role-arn": "arn"}}


def of_imported(live: Any) -> list[Any]:
    """Return the steps by which a service account is imported that is so."""
    new = resource(SERVICE_ACCOUNT, "app", {"metadata": ANNOTATED})
    read = {**new, "inputs": {"metadata": {"name": "app", "namespace": "team-a"}}, "outputs": {"metadata": live}}
    return [step("import", None, new), step("update", read, new)]


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
        (digest([], changeSummary={"create": 5}), "changeSummary has 5 create, and there are 0 such steps"),
        (digest([step("create", None, NEW)], changeSummary={"create": 2, "same": 1}), "there are 1 such steps"),
        (digest([step("create", None, NEW)], changeSummary={"create": 1, "update": 1}), "has 1 update"),
        (digest([step("update", OLD, NEW)], changeSummary={"replace": 1}), "has 1 replace"),
        *(
            (digest([], changeSummary={"same": each}), "changeSummary.same is not a number")
            for each in ("1", -1, True, 1.5)
        ),
        (digest([step("create", None, NEW)]).replace(":dev:", f":{'x' * 101}:"), "has 101 characters, and at most 100"),
    ],
)
def test_what_is_no_preview_is_reported(text: str, says: str) -> None:
    with pytest.raises(
        CouldNotLookError, match=r"^preview\.json is not what `pulumi preview --json` prints: "
    ) as error:
        parse_preview(text, "preview.json")

    assert says in str(error.value)


@pytest.mark.parametrize(
    ("steps", "operations"),
    [
        ([step("replace", OLD, NEW)], ["replace"]),
        ([step("create-replacement", OLD, NEW), step("replace", OLD, NEW), step("delete-replaced", OLD)], ["replace"]),
        ([step("delete-replaced", OLD), step("replace", OLD, NEW), step("create-replacement", OLD, NEW)], ["replace"]),
        *(([step(each, OLD, OLD)], []) for each in ("same", "read", "refresh", "discard", "read-replacement")),
        ([step("same", OLD, {**OLD, "protect": True})], ["same"]),
        # The engine imports, and then updates what differs; Kubernetes has more than is declared.
        (of_imported({**ANNOTATED, "uid": "1", "labels": {"a": "b"}}), ["import"]),
        (of_imported({"name": "app", "namespace": "team-a", "uid": "1"}), ["update"]),
    ],
)
def test_one_change_for_each_resource(steps: list[Any], operations: list[str], diff_json: DiffJson) -> None:
    assert [*diff_json(*steps)["operations"]] == operations


# --- imports ----------------------------------------------------------------------------------------------------------

# The engine imports, and then updates: https://github.com/pulumi/pulumi/pull/19339. The states are those of real
# provider code (Terraform's AWS provider behind Pulumi's bridge), which reads more than a program declares, and no
# defaults.
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
TRUST = json.dumps(trust("team-a:worker"))
NAMED = {"assumeRolePolicy": TRUST, "name": "my-role"}
DECLARED = {**NAMED, "forceDetachPolicies": False, "tagsAll": {}, "__defaults": ["forceDetachPolicies"]}
INPUTS = {**NAMED, "inlinePolicies": [{"name": "own", "policy": "{}"}], "__defaults": []}
READ = {**INPUTS, "tags": {}, "tagsAll": {}, "managedPolicyArns": []}


def imported(there: dict[str, Any], reasons: list[str], **declared: Any) -> list[dict[str, Any]]:
    """Return the two steps of an import that differs."""
    new = resource(ROLE, "app", {**DECLARED, **declared})
    read = {**new, "inputs": INPUTS, "outputs": {**READ, **there}}
    return [step("import", None, new), step("update", read, new, diffReasons=reasons)]


@pytest.mark.parametrize(
    ("there", "stops"),
    [
        ({"permissionsBoundary": BOUNDARY}, True),
        ({"description": "of the platform team"}, False),
        ({"tags": {"team": "platform"}}, False),
    ],
)
def test_what_an_import_takes_away(there: Any, stops: bool, diff_json: DiffJson) -> None:
    assert diff_json(*imported(there, [*there]), gate="permissions")["good"] is not stops


def test_who_loses_a_role_by_its_import(diff_json: DiffJson) -> None:
    steps = imported({"assumeRolePolicy": json.dumps(trust("team-b:other"))}, ["assumeRolePolicy"])
    found = diff_json(*steps, gate="gains")
    who = [[each["who"] for each in rows(found, side)] for side in ("gains", "loses")]

    assert (found["good"], who) == (False, [["team-a/worker"], ["team-b/other"]])


# --- a value of another kind at some place: shown, or refused with the place ------------------------------------------

METADATA = {"metadata": {"name": "app", "namespace": "a", "annotations": {"x": "y"}}}
COMPONENT_STATE = {"urn": urn(COMPONENT, "app", ""), "type": COMPONENT, "outputs": {"key": "app", "cluster": "green"}}
BEFORE, AFTER = (resource(ROLE, "app", {"assumeRolePolicy": trust(each)}) for each in ("a:one", "a:*"))
PREVIEW = {
    "config": {"irsa:bindings": '{"app": {"role": {"name": "x"}}}', "kubernetes:context": "blue"},
    "steps": [
        step("update", BEFORE, AFTER, diffReasons=["assumeRolePolicy"]),
        step("update", resource(POLICY, "p", {"policy": trust()}), resource(POLICY, "p", {"policy": trust("a:b")})),
        step("create", None, resource(ATTACHMENT, "x", {"policyArn": "p"}, propertyDependencies={"policyArn": ["p"]})),
        step("update", resource(SERVICE_ACCOUNT, "x", METADATA), resource(SERVICE_ACCOUNT, "x", {"metadata": {}})),
        step("delete", oidc_provider("sts.amazonaws.com")),
        step("delete", COMPONENT_STATE),
        step("update", guard({"a/x": "warn"}), guard({"a/x": "deny"}, annotations="deny")),
        step("update", config_map("a/x"), config_map("a/x", "a/y")),
        step("update", binding(["Warn"], "a"), binding(["Deny"], "a")),
    ],
    "diagnostics": [{"severity": "warning", "message": "x", "urn": "a::b"}],
    "changeSummary": {"same": 1},
}
PLACES = [place for place in places(PREVIEW) if place]
OTHERS = ["", "x", 0, -1.5, True, None, [], {}, [None], {"a": [None]}, [[]], SECRET, UNKNOWN, '{"Statement": [1]}']


# The files of an example are its own.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(("steps", 5, "oldState", "outputs", "key"), [None])])
@example([(("steps", 4, "oldState", "inputs"), "")])
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(OTHERS)), min_size=1, max_size=3))
def test_a_damaged_preview_has_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damages: list[tuple[Any, Any]]
) -> None:
    damaged = copy.deepcopy(PREVIEW)
    for place, value in damages:
        try:
            # A copy: a later damage may be inside of this one.
            at(damaged, place[:-1])[place[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            # An earlier damage took the place away.
            continue
    file = tmp_path / "preview.json"
    file.write_text(json.dumps(damaged))
    for form in ([], ["--json"], ["--markdown", "-"]):
        code = main(["diff", "--preview", str(file), *form])
        printed = capsys.readouterr()

        assert code in {0, 3}, printed.err
        assert "unexpected" not in printed.err
        assert bool(printed.out) == (code == 0)
