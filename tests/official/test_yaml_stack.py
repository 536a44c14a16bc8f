"""The example in Pulumi YAML, with the official language host. The tests of this file are one story, in their order."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ISSUER, PROVIDER
from tests.sandbox.project import ROOT, Stack, copied_plugin

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stack(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The example beside a copy of the component, as its Pulumi.yaml names it."""
    folder = tmp_path_factory.mktemp("yaml")
    copied_plugin(folder)
    shutil.copytree(ROOT / "examples" / "yaml-stack", folder / "examples" / "yaml-stack")
    made = Stack(cloud, folder / "examples" / "yaml-stack")
    for key, value in {"oidcProviderArn": PROVIDER, "bucket": "reports", "aws:region": "us-west-2"}.items():
        made.pulumi("config", "set", key, value)
    yield made
    made.destroy()


def test_up_creates_the_role_and_the_service_account(stack: Stack, cloud: Any) -> None:
    # The stack, the component, a role, a policy, its attachment and a service account.
    assert stack.up() == {"create": 6}
    outputs = stack.outputs()
    assert outputs["serviceAccountName"] == "report-reader"
    role = cloud.aws("iam").get_role(RoleName=outputs["roleArn"].rpartition("/")[2])["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == "system:serviceaccount:default:report-reader"
    annotation = r"jsonpath={.metadata.annotations.eks\.amazonaws\.com/role-arn}"
    assert cloud.kubectl("get", "serviceaccount", "report-reader", "-o", annotation).stdout == outputs["roleArn"]


def test_the_second_up_changes_nothing(stack: Stack) -> None:
    assert stack.up() == {}
    assert stack.up("--refresh") == {}


def test_mistakes_are_reported_in_the_words_of_the_schema(stack: Stack) -> None:
    file = stack.folder / "Pulumi.yaml"
    before = file.read_text()
    program = yaml.safe_load(before)
    program["resources"]["report-reader"]["properties"]["role"] = {"maxSessionDuration": 60}
    file.write_text(yaml.safe_dump(program))
    said = stack.refused("preview")
    assert "role.maxSessionDuration\n" in said
    assert "1 error in the arguments" in said
    file.write_text(before)


def test_nothing_is_left_behind(stack: Stack, cloud: Any) -> None:
    name = stack.outputs()["roleArn"].rpartition("/")[2]
    stack.destroy()
    assert name not in [role["RoleName"] for role in cloud.aws("iam").list_roles()["Roles"]]
    assert cloud.kubectl("get", "serviceaccount", "report-reader").returncode != 0
