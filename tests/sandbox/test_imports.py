"""`import` of what is not as it is declared: refused, and what is there stands; then what the refusal says to do.

The engine imports, and then updates what differs: https://github.com/pulumi/pulumi/pull/19339.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ACCOUNT, PROVIDER
from tests.sandbox.project import STACK, Stack

pytestmark = pytest.mark.sandbox

PROGRAM = f"""
from irsa import ServiceAccountRole

ServiceAccountRole("app", {{
    "oidc_provider_arns": ["{PROVIDER}"], "subjects": ["team-a:app"], "role_name": "administrator",
    "import_existing": ["role"],
}})
"""
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/existing-policy"
ROOT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def administrator(cloud: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    iam = cloud.aws("iam")
    iam.create_role(
        RoleName="administrator",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [ROOT]}),
        Description="of the platform team",
        MaxSessionDuration=43200,
        PermissionsBoundary=BOUNDARY,
        Tags=[{"Key": "team", "Value": "platform"}],
    )

    def read() -> dict[str, Any]:
        return iam.get_role(RoleName="administrator")["Role"]

    yield read
    iam.delete_role(RoleName="administrator")


@pytest.fixture
def program(cloud: Any, tmp_path: Path) -> Iterator[Stack]:
    """A program of one's own."""
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "somebody", "runtime": runtime}))
    stack = Stack(cloud, tmp_path)
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2"}}))
    (tmp_path / "__main__.py").write_text(PROGRAM)
    yield stack


def test_the_component(program: Stack, administrator: Callable[[], dict[str, Any]]) -> None:
    before = administrator()
    said = program.refused("preview")
    print(said)
    said = program.refused("up", "--yes", "--skip-preview")
    print(said)
    assert administrator() == before
    again = program.refused("up", "--yes", "--skip-preview")
    print(again)
    assert administrator() == before
    (command,) = set(re.findall("`(pulumi state delete .*?)`", said))
    print(command)
    program.pulumi(*shlex.split(command)[1:])
    assert not program.resources("Role")
    program.destroy()
    assert administrator() == before
