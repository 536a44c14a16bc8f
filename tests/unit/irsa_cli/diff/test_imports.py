"""What an update changes of what is imported, from the JSON of a preview to what is printed.

The engine imports, and then updates: https://github.com/pulumi/pulumi/pull/19339. The states are those of real provider
code (Terraform's AWS provider behind Pulumi's bridge), which reads more than a program declares, and no defaults.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from tests.unit.irsa_cli.diff.previews import ACCOUNT, ROLE, digest, resource, step, trust

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


def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], *steps: Any, gate: str = "permissions") -> tuple[int, Any]:
    """Return the exit code of a gate, and what is printed of a preview, as JSON."""
    file = tmp_path / "preview.json"
    file.write_text(digest(steps))
    code = main(["diff", "--preview", str(file), "--fail-on", gate, "--json"])
    return code, json.loads(capsys.readouterr().out)


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
def test_what_an_import_takes_away(key: str, before: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a reviewer: a boundary that goes was "nothing differs in meaning", and no gate stopped at it."""
    code, found = said(tmp_path, capsys, *imported({key: before}, [key]))
    place, value = ("tags.team", "platform") if key == "tags" else (key, before)

    assert settings(found) == {place: (value, None)}
    assert code == (key == "permissionsBoundary")


def test_who_loses_a_role_by_its_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = imported({"assumeRolePolicy": json.dumps(trust("team-b:other"))}, ["assumeRolePolicy"])
    code, found = said(tmp_path, capsys, *steps, gate="gains")

    assert code == 1
    assert [[each["serviceAccount"] for each in found[side]] for side in ("gains", "loses")] == [
        ["team-a/worker"],
        ["team-b/other"],
    ]


def test_the_update_after_an_import_that_was_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = resource(ROLE, "app", {**INPUTS, "description": "before"}, outputs={**READ, "description": "before"})
    new = resource(ROLE, "app", {**DECLARED, "description": "after"})
    _, found = said(tmp_path, capsys, step("update", old, new, diffReasons=["description"]))

    assert settings(found) == {"description": ("before", "after")}
