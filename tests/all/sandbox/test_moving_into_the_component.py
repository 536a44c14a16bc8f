"""A plain program's role moves into the component by the code of docs/guides/own-program.md, without a change."""

import re
from typing import Any

import pytest

from sandbox.layout import CHECKOUT
from tests.sandbox.irsa_command import ISSUER, PROVIDER
from tests.sandbox.project import Program

pytestmark = pytest.mark.sandbox

PAGE = (CHECKOUT / "docs" / "guides" / "own-program.md").read_text()
SECTION = PAGE.partition("\n## Move what your program has already\n")[2].partition("\n## ")[0]
(CODE,) = re.findall(r"^```python\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
HEAD = f"""
import json
import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

PROVIDER = "{PROVIDER}"
DOCUMENT = {{
    "Version": "2012-10-17",
    "Statement": [{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}}],
}}
"""
PLAIN = f"""
claims = {{"{ISSUER}:sub": "system:serviceaccount:default:app", "{ISSUER}:aud": "sts.amazonaws.com"}}
statement = {{
    "Effect": "Allow",
    "Principal": {{"Federated": PROVIDER}},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {{"StringEquals": claims}},
}}
trust = json.dumps({{"Version": "2012-10-17", "Statement": [statement]}})
policy = aws.iam.Policy("app-policy", name="app", policy=json.dumps(DOCUMENT))
role = aws.iam.Role("app-role", name="app", assume_role_policy=trust)
aws.iam.RolePolicyAttachment("app-attachment", role=role.name, policy_arn=policy.arn)
annotations = {{"eks.amazonaws.com/role-arn": role.arn}}
metadata = {{"name": "app", "namespace": "default", "annotations": annotations}}
kubernetes.core.v1.ServiceAccount("app-service-account", metadata=metadata)
"""


def test_the_role_moves_without_a_change(program: Program, cloud: Any) -> None:
    program.write(HEAD + PLAIN)
    program.up()
    before = cloud.aws("iam").get_role(RoleName="app")["Role"]["RoleId"]
    program.write(HEAD + "from irsa import ServiceAccountRole\n" + CODE)

    assert program.up() == {"create": 1}
    assert program.resources("ServiceAccountRole")
    assert cloud.aws("iam").get_role(RoleName="app")["Role"]["RoleId"] == before
    # The transform has done its work.
    program.write((program.folder / "__main__.py").read_text().replace("transforms=[moved]", ""))
    assert program.up() == {}
