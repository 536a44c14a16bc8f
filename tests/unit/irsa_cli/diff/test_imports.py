"""What an update changes of what is imported, from the JSON of a preview to what is printed.

The engine imports, and then updates: https://github.com/pulumi/pulumi/pull/19339. The states are those of real provider
code (Terraform's AWS provider behind Pulumi's bridge), which reads more than a program declares, and no defaults.
"""

import json
from typing import Any

import pytest

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import ACCOUNT, ROLE, resource, step, trust

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
TRUST = json.dumps(trust("team-a:worker"))
DECLARED = {
    "assumeRolePolicy": TRUST,
    "forceDetachPolicies": False,
    "maxSessionDuration": 3600,
    "name": "my-role",
    "path": "/",
    "tagsAll": {},
    "__defaults": ["forceDetachPolicies", "maxSessionDuration", "path"],
}
READ = {
    **{key: value for key, value in DECLARED.items() if key not in ("__defaults", "forceDetachPolicies")},
    "arn": f"arn:aws:iam::{ACCOUNT}:role/my-role",
    "inlinePolicies": [{"name": "own", "policy": "{}"}],
    "managedPolicyArns": [],
    "tags": {},
}
INPUTS = {"assumeRolePolicy": TRUST, "inlinePolicies": READ["inlinePolicies"], "name": "my-role", "__defaults": []}


def imported(there: dict[str, Any], reasons: list[str], **declared: Any) -> list[dict[str, Any]]:
    """Return the two steps of an import that differs."""
    new = resource(ROLE, "app", {**DECLARED, **declared})
    read = {**new, "inputs": INPUTS, "outputs": {**READ, **there}}
    return [step("import", None, new), step("update", read, new, diffReasons=reasons)]


def settings(found: Any) -> dict[str, Any]:
    (binding,) = found["bindings"]
    (changed,) = [each for each in binding["resources"] if each["kind"] == "role"]
    return {each["property"]: (each["before"], each["after"]) for each in changed["settings"]}


@pytest.mark.parametrize(
    ("key", "before"),
    [("permissionsBoundary", BOUNDARY), ("description", "of the platform team"), ("tags", {"team": "platform"})],
)
def test_what_an_import_takes_away(key: str, before: Any, diff_json: DiffJson) -> None:
    found = diff_json(*imported({key: before}, [key]), gate="permissions")
    place, value = ("tags.team", "platform") if key == "tags" else (key, before)

    assert settings(found) == {place: (value, None)}
    assert found["good"] is (key != "permissionsBoundary")


def test_who_loses_a_role_by_its_import(diff_json: DiffJson) -> None:
    steps = imported({"assumeRolePolicy": json.dumps(trust("team-b:other"))}, ["assumeRolePolicy"])
    found = diff_json(*steps, gate="gains")

    assert not found["good"]
    assert [[each["serviceAccount"] for each in found[side]] for side in ("gains", "loses")] == [
        ["team-a/worker"],
        ["team-b/other"],
    ]


def test_the_update_after_an_import_that_was_refused(diff_json: DiffJson) -> None:
    old = resource(ROLE, "app", {**INPUTS, "description": "before"}, outputs={**READ, "description": "before"})
    new = resource(ROLE, "app", {**DECLARED, "description": "after"})

    assert settings(diff_json(step("update", old, new, diffReasons=["description"]))) == {
        "description": ("before", "after")
    }
