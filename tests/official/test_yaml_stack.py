"""The example in Pulumi YAML, with the official language host."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ISSUER, PROVIDER, ROLE_ARN
from tests.sandbox.live import service_account, trust_of
from tests.sandbox.project import ROOT, Stack, copied_plugin

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


def test_the_example_is_deployed_and_its_errors_have_the_words_of_the_schema(cloud: Any, tmp_path: Path) -> None:
    """The example stands beside a copy of the component, as its Pulumi.yaml names it."""
    copied_plugin(tmp_path)
    shutil.copytree(ROOT / "examples" / "yaml-stack", tmp_path / "examples" / "yaml-stack")
    stack = Stack(cloud, tmp_path / "examples" / "yaml-stack")
    for key, value in {"oidcProviderArn": PROVIDER, "bucket": "reports", "aws:region": "us-west-2"}.items():
        stack.pulumi("config", "set", key, value)
    # The stack, the component, a role, a policy, its attachment and a service account.
    assert stack.up() == {"create": 6}
    outputs = stack.outputs()
    role = outputs["roleArn"].rpartition("/")[2]
    (statement,) = trust_of(cloud.aws("iam"), role)
    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == "system:serviceaccount:default:report-reader"
    assert service_account(cloud, "report-reader")["metadata"]["annotations"][ROLE_ARN] == outputs["roleArn"]
    assert stack.up("--refresh") == {}

    file = stack.folder / "Pulumi.yaml"
    program = yaml.safe_load(before := file.read_text())
    program["resources"]["report-reader"]["properties"]["role"] = {"maxSessionDuration": 60}
    file.write_text(yaml.safe_dump(program))
    said = stack.refused("preview")
    assert "role.maxSessionDuration\n" in said
    assert "1 error in the arguments" in said
    file.write_text(before)
    stack.destroy()
    assert role not in [each["RoleName"] for each in cloud.aws("iam").list_roles()["Roles"]]
    assert cloud.kubectl("get", "serviceaccount", "report-reader").returncode != 0
