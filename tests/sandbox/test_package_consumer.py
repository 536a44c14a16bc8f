"""A program of another project that uses the component as a plugin, through the real engine.

It has an SDK that `pulumi package add` has generated, and none of this checkout's modules. The tests of this file are
one story and run in their order.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ISSUER, PROVIDER
from tests.sandbox.live import policy_document, service_account, trust_of
from tests.sandbox.project import Stack, copied_plugin, make_environment

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

SECRET = "arn:aws:s3:::archive-4711/*"
PROGRAM = """
import pulumi
import pulumi_aws as aws
import pulumi_irsa as irsa
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
namespace = kubernetes.core.v1.Namespace("reports", metadata={{"name": "reports"}})
bucket = aws.s3.Bucket("reports")
role = irsa.ServiceAccountRole(
    "reader",
    service_account={service_account},
    oidc_provider_arns=["{provider}"],
    role={{"name": "consumer-reader", "tags": {{"cost_center": "42", "costCenter": "43"}}}},
    policy={{
        "document": {{
            "Version": "2012-10-17",
            "Statement": [
                {{
                    "Effect": "Allow",
                    "Action": {actions},
                    "Resource": [pulumi.Output.concat(bucket.arn, "/*"), config.require_secret("archive")],
                    "Condition": {{"NumericLessThan": {{"aws:MultiFactorAuthAge": [3600]}}}},
                }}
            ],
        }},
    }},
    {more}
)
pulumi.export("bucketArn", bucket.arn)
pulumi.export("roleArn", role.role_arn)
pulumi.export("subjects", role.subjects)
pulumi.export("namespace", role.namespace)
pulumi.export("serviceAccountName", role.service_account_name)
pulumi.export("annotations", role.annotations)
"""
ACCOUNT = """irsa.ServiceAccountArgs(
        name="reader", namespace=namespace.metadata.name, labels={"app_name": "reader"}, token_expiration=3600
    )"""


class Consumer(Stack):
    def __init__(self, cloud: Any, folder: Path) -> None:
        self.plugin = copied_plugin(folder)
        self.files = {path.name for path in self.plugin.iterdir()} - {"venv"}
        project = folder / "project"
        project.mkdir()
        make_environment(project / "venv")
        runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": "venv"}}
        (project / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "consumer", "runtime": runtime}))
        (project / "requirements.txt").write_text("pulumi\npulumi-aws\npulumi-kubernetes\n")
        super().__init__(cloud, project)
        self.pulumi("config", "set", "aws:region", "us-west-2")
        self.pulumi("config", "set", "--secret", "archive", SECRET)
        self.pulumi("package", "add", "../components")

    def write(self, actions: list[str], more: str = "") -> None:
        written = {"service_account": ACCOUNT, "actions": actions, "more": more}
        (self.folder / "__main__.py").write_text(PROGRAM.format(provider=PROVIDER, **written))


@pytest.fixture(scope="module")
def consumer(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    made = Consumer(cloud, tmp_path_factory.mktemp("consumer"))
    made.write(["s3:GetObject"])
    made.changes = made.up()  # type: ignore[attr-defined]
    yield made
    made.destroy()


def policy_arn(consumer: Consumer) -> str:
    return str(consumer.resources("Policy")["reader"]["outputs"]["arn"])


def test_the_plugin_is_found_where_it_was_added(consumer: Consumer) -> None:
    assert yaml.safe_load((consumer.folder / "Pulumi.yaml").read_text())["packages"] == {"irsa": "../components"}
    assert (consumer.folder / "requirements.txt").read_text().splitlines()[-1] == "sdks/irsa"
    # Both are in .gitignore.
    assert {path.name for path in consumer.plugin.iterdir()} - consumer.files <= {"venv", "__pycache__"}


def test_outputs_reach_aws_and_kubernetes(consumer: Any, cloud: Any) -> None:
    assert consumer.changes == {"create": 8}
    outputs = consumer.outputs()
    assert outputs["namespace"] == "reports"
    assert outputs["subjects"] == ["reports:reader"]
    assert policy_document(cloud.aws("iam"), policy_arn(consumer)) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": [f"{outputs['bucketArn']}/*", SECRET],
                "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": [3600]}},
            }
        ],
    }
    (statement,) = trust_of(cloud.aws("iam"), "consumer-reader")
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == "system:serviceaccount:reports:reader"
    metadata = service_account(cloud, "reader", "reports")["metadata"]
    assert metadata["annotations"] == {
        "eks.amazonaws.com/role-arn": outputs["roleArn"],
        "eks.amazonaws.com/token-expiration": "3600",
    }
    assert outputs["annotations"] == metadata["annotations"]


def test_keys_and_secrets_of_the_caller_stay_as_they_are(consumer: Consumer, cloud: Any) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in cloud.aws("iam").list_role_tags(RoleName="consumer-reader")["Tags"]}
    assert tags == {"cost_center": "42", "costCenter": "43"}
    assert service_account(cloud, "reader", "reports")["metadata"]["labels"]["app_name"] == "reader"
    assert SECRET in json.dumps(policy_document(cloud.aws("iam"), policy_arn(consumer)))
    assert SECRET not in consumer.pulumi("stack", "export")


def test_the_second_up_changes_nothing(consumer: Consumer) -> None:
    assert consumer.up("--refresh") == {}


def test_a_wrong_output_is_refused_in_the_words_of_the_schema(consumer: Consumer) -> None:
    document = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "ID"}}
    more = f"inline_policies={{'more': {{'document': {document}}}}},".replace("'ID'", "bucket.id")
    consumer.write(["s3:GetObject"], more)
    said = consumer.refused("up", "--yes", "--skip-preview")
    for word in (
        "irsa:index:ServiceAccountRole resource 'reader' has a problem: 1 error in the arguments",
        "inlinePolicies.more.document",
        "Resource",
    ):
        assert word in said
    assert "Unexpected" not in said
    assert 'File "' not in said


def test_nothing_is_left_behind(consumer: Consumer, cloud: Any) -> None:
    arn = policy_arn(consumer)
    consumer.write(["s3:GetObject"])
    consumer.destroy()
    iam = cloud.aws("iam")
    assert "consumer-reader" not in [role["RoleName"] for role in iam.list_roles()["Roles"]]
    assert arn not in [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]]
    assert cloud.kubectl("get", "namespace", "reports").returncode != 0
    assert consumer.resources("ServiceAccountRole") == {}
