"""The commands and programs of docs/reference, as they stand there.

`helm` cannot run here: the sandbox has no charts. `aws` is not at hand: its commands are IAM's operations.
"""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.guide import commands_of
from tests.sandbox.irsa_command import aws_iam
from tests.sandbox.project import ROOT, STACK, Program, Project, empty_state

pytestmark = pytest.mark.sandbox

PAGES = ROOT / "docs" / "reference"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (PAGES / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(deploy: Callable[..., Project]) -> Project:
    config = yaml.safe_load(blocks("outputs", "yaml")[0])["config"]
    settings = {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}
    project = deploy(settings, config["aws:region"])
    project.up()
    return project


def test_the_outputs_are_those_of_the_page(project: Project, tmp_path: Path) -> None:
    (expected,) = map(json.loads, blocks("outputs", "json"))
    first, second, *_ = commands_of("../reference/outputs")

    assert project.outputs() == expected
    assert (
        json.loads(project.cloud.run(*shlex.split(first), folder=project.folder, **project.variables).stdout)
        == (expected["bindings"])
    )
    piped = project.cloud.run("sh", "-c", second, folder=project.folder, **project.variables)
    assert piped.returncode == 0, piped.stderr
    values = json.loads((project.folder / "values.json").read_text())
    annotations = expected["bindings"]["web"]["annotations"]
    assert values == {"serviceAccount": {"create": True, "name": "web", "annotations": annotations}}

    (program,) = blocks("outputs", "python")
    other = Program(project.cloud, tmp_path / "other", program.replace("irsa/prod", f"irsa/{STACK}"))
    other.variables |= project.variables
    other.checkpoint = empty_state(project.folder / "state", "somebody", STACK)
    other.up()
    assert other.outputs() == {"roleArn": expected["bindings"]["my-app"]["roleArn"]}


def test_the_permissions_can_be_granted(cloud: Any) -> None:
    created = {}
    try:
        for command in commands_of("../reference/permissions"):
            words = shlex.split(command)
            if words[:2] == ["aws", "iam"]:
                read = [(ROOT / w.removeprefix("file://")).read_text() if w.startswith("file://") else w for w in words]
                created = aws_iam(cloud, read[2:])["Policy"]
            else:
                answer = cloud.run(*words, folder=ROOT)
                assert answer.returncode == 0, answer.stderr
        assert created["PolicyName"] == "irsa-deployer"
        patch = ("auth", "can-i", "patch", "serviceaccounts", "--as", "deployer", "-n")
        assert [cloud.kubectl(*patch, each).stdout.strip() for each in ("default", "kube-system")] == ["yes", "no"]
        token = ("create", "serviceaccounts", "--subresource", "token")
        refused = cloud.kubectl("auth", "can-i", *token, "--as", "deployer", "-n", "default")
        assert refused.stdout.strip() == "no"
    finally:
        cloud.kubectl("delete", "rolebinding,clusterrole", "irsa-deployer")
        if created:
            cloud.aws("iam").delete_policy(PolicyArn=created["Arn"])
