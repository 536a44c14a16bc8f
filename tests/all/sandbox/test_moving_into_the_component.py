"""A plain program's role moves into the component by the code of docs/guides/own-program.md, without a change."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.layout import CHECKOUT
from tests.sandbox.irsa_command import ISSUER, PROVIDER

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

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


def test_the_role_moves_without_a_change(cloud: Any, tmp_path: Path) -> None:
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
    (tmp_path / "Pulumi.yaml").write_text(json.dumps({"name": "moves", "runtime": runtime}))
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"config": {"aws:region": "us-west-2"}}))
    program = tmp_path / "__main__.py"
    program.write_text(HEAD + PLAIN)
    cloud.pulumi(tmp_path, "stack", "init", "dev")
    cloud.pulumi(tmp_path, "up", "--yes", "--skip-preview", "--stack", "dev")
    try:
        before = cloud.aws("iam").get_role(RoleName="app")["Role"]["RoleId"]
        program.write_text(HEAD + "from irsa import ServiceAccountRole\n" + CODE)

        said = cloud.pulumi(tmp_path, "up", "--yes", "--skip-preview", "--stack", "dev").stdout

        assert re.findall(r"^ +(\+ 1 created|5 unchanged|.*(?:delet|replac|updat)ed)$", said, re.MULTILINE) == [
            "+ 1 created",
            "5 unchanged",
        ], said
        assert cloud.aws("iam").get_role(RoleName="app")["Role"]["RoleId"] == before
        # The transform has done its work.
        program.write_text(program.read_text().replace("pulumi.ResourceOptions(transforms=[moved]),", ""))
        cloud.pulumi(tmp_path, "preview", "--expect-no-changes", "--stack", "dev")
    finally:
        cloud.pulumi(tmp_path, "destroy", "--yes", "--skip-preview", "--stack", "dev")
