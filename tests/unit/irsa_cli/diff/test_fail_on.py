"""`irsa diff --fail-on`: a gate before `pulumi up`."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.diff.changes import BindingChange, ResourceChange
from irsa_cli.diff.fail_on import FAIL_ON
from irsa_cli.diff.guards import GuardChange
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.rights import Right, Undecided
from irsa_cli.main import main
from tests.unit.irsa_cli.diff.previews import (
    diff,
    digest,
    resource,
    role,
    step,
    trust,
    without_outputs,
)

RIGHT, UNDECIDED = Right("team-a/app", "r", "", ""), Undecided("r", "", "why")


INLINE = "aws:iam/rolePolicy:RolePolicy"
POLICY = "arn:aws:iam::111122223333:policy/not-read"


def inline(statement: Any) -> dict[str, Any]:
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return resource(INLINE, "app", {"role": "my-role", "policy": document})


def changed(operation: str) -> list[BindingChange]:
    return [BindingChange("app", (ResourceChange(operation, operation, "role", "r", "", "urn"),))]


def permission(change: Any, extent: Any = "all") -> list[PermissionChange]:
    return [PermissionChange("r", "", change, ("*",), ("*",), extent)]


# What --fail-on stops at, by what a diff has: what may be, or cannot be told, must not pass a gate.
STOPS: dict[str, list[dict[str, Any]]] = {
    "gains": [
        *({"gains": [RIGHT]}, {"may_gain": [RIGHT]}, {"cannot_tell": [UNDECIDED]}, {"other_principals": ["r"]}),
    ],
    "permissions": [
        *({"permissions": permission("gains", extent)} for extent in ("all", "some", "cannot tell")),
        {"permissions": [PermissionChange("r", "", "gains", policy=POLICY)]},
        {"permissions": [replace(permission("gains")[0], dangerous=True)]},
        {"permissions_cannot_tell": [UNDECIDED]},
    ],
    "dangerous": [
        {"permissions": [replace(permission("gains")[0], dangerous=True)]},
        {"permissions": [PermissionChange("r", "", "gains", policy=POLICY)]},
        {"permissions_cannot_tell": [UNDECIDED]},
        {"guard": [GuardChange("blue", "roleAnnotations", "deny", "warn", dangerous=True)]},
    ],
    "replaces": [{"bindings": changed("replace")}, {"other": changed("replace")[0].resources}],
    "deletes": [{"bindings": changed("delete")}, {"other": changed("delete")[0].resources}],
}
NOTHING: list[dict[str, Any]] = [
    *({}, {"loses": [RIGHT]}, {"may_lose": [RIGHT]}, {"permissions": permission("loses")}),
    *({"bindings": changed(each)} for each in ("create", "update", "import")),
    {"permissions": [replace(permission("loses")[0], dangerous=True)]},
    {"guard": [GuardChange("blue", "pods", "off", "deny", ("team-a/app",))]},
]


@pytest.mark.parametrize("gate", FAIL_ON)
def test_what_a_gate_stops_at(gate: str) -> None:
    others = [each for each in itertools.chain(NOTHING, *STOPS.values()) if each not in STOPS[gate]]

    assert all(FAIL_ON[gate](diff(**each)) for each in STOPS[gate])
    assert not any(FAIL_ON[gate](diff(**each)) for each in others)


def test_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "preview.json"
    after = without_outputs(role(trust("team-a:worker", "team-a:builder")))
    file.write_text(digest([step("update", role(trust("team-a:worker")), after)]))
    command = ["diff", "--preview", str(file)]

    assert main([*command, "--fail-on", "gains", "--fail-on", "deletes"]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("gains: team-a/builder -> my-role")
    assert printed.err == "irsa diff: stopped by --fail-on: gains\n"
    assert main([*command, "--fail-on", "deletes"]) == 0
    capsys.readouterr()
    for gate, code in (("gains", 1), ("deletes", 0)):
        assert main([*command, "--fail-on", gate, "--json"]) == code
        assert json.loads(capsys.readouterr().out)["good"] is (code == 0)
    with pytest.raises(SystemExit) as refused:
        main([*command, "--fail-on", "everything"])
    assert refused.value.code == 2
