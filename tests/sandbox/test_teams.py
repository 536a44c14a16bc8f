"""Bindings in files of teams, on the real engine: moved there and back, replaced, and refused."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import irsa
from tests.sandbox.project import Project
from tests.world import document

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
BOUNDARY = "arn:aws:iam::${account}:policy/teams"
ROLE = {"path": "/irsa/payments/", "permissionsBoundary": BOUNDARY}
TEAM: Mapping[str, Any] = {
    "files": "teams/payments/*.irsa.yaml",
    "namespaces": ["default", "payments-*"],
    "keys": ["payments-*"],
    "role": ROLE,
    "policyArns": ["arn:aws:iam::${account}:policy/payments-*"],
}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
API: Mapping[str, Any] = {
    "serviceAccount": {"name": "payments-api", "namespace": "default"},
    "policy": {"document": document(READ)},
}


def write(project: Project, **bindings: Any) -> None:
    folder = project.folder / "teams" / "payments"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api.irsa.yaml").write_text(yaml.safe_dump({"bindings": bindings}))


@pytest.fixture
def boundary(cloud: Any) -> None:
    iam = cloud.aws("iam")
    for name in ("teams", "payments-read"):
        text = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
        arn = f"arn:aws:iam::111122223333:policy/{name}"
        if arn not in {each["Arn"] for each in iam.list_policies(Scope="Local")["Policies"]}:
            iam.create_policy(PolicyName=name, PolicyDocument=text)


@pytest.mark.usefixtures("boundary")
def test_a_binding_moves_to_its_team_and_back(deploy: Callable[..., Project], cloud: Any) -> None:
    project = deploy({"bindings": {"payments-api": API}})
    assert project.up()["create"] > 0

    # Another path makes another role: announced, shown, and then done.
    project.set({"teams": {"payments": TEAM}})
    write(project, **{"payments-api": API})
    said = irsa(project, "check", "--live", "Pulumi.test.yaml").stdout
    assert "is replaced" in said
    assert "path changes" in said
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
    write(project, **{"payments-api": {**API, "policyArns": ["arn:aws:iam::${account}:policy/admins"]}})
    said = project.refused("up", "--yes", "--skip-preview")
    assert "teams/payments/api.irsa.yaml:" in said
    assert "irsa:teams.payments.policyArns" in said


@pytest.mark.usefixtures("boundary")
def test_a_secret_variable_is_refused_before_anything_is_created(deploy: Callable[..., Project]) -> None:
    project = deploy({"teams": {"payments": TEAM}})
    project.pulumi("config", "set", "--secret", "--path", "irsa:variables.hidden", "read")
    write(project, **{"payments-api": {**API, "policyArns": ["arn:aws:iam::${account}:policy/payments-${hidden}"]}})
    said = project.refused("preview")
    assert "${hidden}, a secret variable" in said
    assert "teams/payments/api.irsa.yaml:" in said
