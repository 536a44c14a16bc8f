"""Bindings in files of teams, on the real engine: moved there and back, replaced, and refused."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import irsa
from tests.sandbox.live import allowing
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox
ROLE = {"path": "/irsa/payments/", "permissionsBoundary": "arn:aws:iam::${account}:policy/existing-policy"}
TEAM: Mapping[str, Any] = {
    "files": "teams/payments/*.irsa.yaml",
    "namespaces": ["default", "payments-*"],
    "keys": ["payments-*"],
    "role": ROLE,
    "policyArns": ["arn:aws:iam::${account}:policy/payments-*"],
}
API: Mapping[str, Any] = {
    "serviceAccount": {"name": "payments-api", "namespace": "default"},
    "policy": {"document": allowing("arn:aws:s3:::my-bucket/*")},
}


def write(project: Project, binding: Mapping[str, Any]) -> None:
    folder = project.folder / "teams" / "payments"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api.irsa.yaml").write_text(yaml.safe_dump({"bindings": {"payments-api": dict(binding)}}))


def test_a_binding_moves_to_its_team_and_back(deploy: Callable[..., Project], cloud: Any) -> None:
    project = deploy({"bindings": {"payments-api": API}})
    assert project.up()["create"] > 0

    # Another path makes another role: announced, shown, and then done.
    project.set({"teams": {"payments": TEAM}})
    write(project, API)
    assert "path changes" in irsa(project, "check", "--live", "Pulumi.test.yaml").stdout
    assert "~ replace: Role payments-api" in irsa(project, "diff", "--stack", "test").stdout
    assert project.up()["replace"] > 0
    (role,) = [each for each in cloud.aws("iam").list_roles()["Roles"] if each["Path"] == ROLE["path"]]
    assert role["RoleName"].startswith("payments-api")

    # Where it has the path and boundary, nothing changes: back, and there again.
    policy = {**API["policy"], "path": ROLE["path"]}
    project.set({"bindings": {"payments-api": {**API, "role": ROLE, "policy": policy}}})
    assert project.up() == {}
    project.set({"teams": {"payments": TEAM}})
    assert project.up() == {}

    # What AWS answers is compared before anything is created.
    write(project, {**API, "policyArns": ["arn:aws:iam::${account}:policy/admins"]})
    said = project.refused("up", "--yes", "--skip-preview")
    assert "teams/payments/api.irsa.yaml:" in said
    assert "irsa:teams.payments.policyArns" in said
