from typing import Any

import pytest

from tests.sandbox.changes import look, scenario
from tests.sandbox.irsa_command import PROVIDER
from tests.sandbox.project import Program

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


def test_an_alias_keeps_what_the_component_has(program: Program, cloud: Any) -> None:
    words = [scenario("alias", {})]
    program.write(PROGRAM + OLD)
    program.up()
    before = look(cloud, words, None)
    program.write(PROGRAM + NEW)

    assert program.up() == {}
    assert program.resources("ServiceAccountRole").keys() == {"alias-new"}
    assert look(cloud, words, None) == before
    assert len(before["alias"].things) == 3
