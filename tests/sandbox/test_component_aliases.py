from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.changes import look, scenario
from tests.sandbox.irsa_command import PROVIDER
from tests.sandbox.project import STACK, Stack

pytestmark = pytest.mark.sandbox

PROGRAM = f"""
import pulumi
from irsa import ServiceAccountRole

document = {{"Version": "2012-10-17", "Statement": {{
    "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}}}}
args = {{
    "service_account": {{"name": "alias-sa"}},
    "oidc_provider_arns": ["{PROVIDER}"],
    "policy": {{"document": document}},
    "policy_arns": {{"queue": "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"}},
    "inline_policies": {{"inline": {{"document": document}}}},
}}
"""
OLD = 'ServiceAccountRole("alias-old", args)\n'
NEW = 'ServiceAccountRole("alias-new", args, pulumi.ResourceOptions(aliases=[pulumi.Alias(name="alias-old")]))\n'


@pytest.fixture
def stack(cloud: Any, tmp_path: Path) -> Iterator[Stack]:
    """The stack of a program that has the component under its old name."""
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "somebody", "runtime": runtime}))
    (tmp_path / "__main__.py").write_text(PROGRAM + OLD)
    made = Stack(cloud, tmp_path)
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2"}}))
    made.up()
    yield made
    made.destroy()


def test_an_alias_keeps_what_the_component_has(stack: Stack, cloud: Any) -> None:
    words = [scenario("alias", {})]
    before = look(cloud, words, None)
    (stack.folder / "__main__.py").write_text(PROGRAM + NEW)

    assert stack.up() == {}
    assert stack.resources("ServiceAccountRole").keys() == {"alias-new"}
    assert look(cloud, words, None) == before
    assert len(before["alias"].things) == 3
