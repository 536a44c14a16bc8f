"""Advice that is followed word for word where the second of two clusters is broken: both have one name of context."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_world.report.text import IN_ORDER
from tests.sandbox.irsa_command import ROLE_ARN, follow, irsa, not_good, report
from tests.sandbox.live import service_account
from tests.sandbox.project import STACK, Project, blue_and_green

pytestmark = pytest.mark.sandbox

NAMESPACES = ("plain", "patched")


def test_each_command_acts_on_the_cluster_that_it_is_about(cloud: Any, green: str, tmp_path: Path) -> None:
    """A namespace that is gone, an account that is gone, and an annotation of somebody else, in green alone."""

    def in_green(*words: str) -> None:
        answer = cloud.kubectl(*words, "--kubeconfig", green)
        assert answer.returncode == 0, answer.stderr

    for name in NAMESPACES:
        assert cloud.kubectl("create", "namespace", name).returncode == 0
    assert cloud.kubectl("create", "serviceaccount", "app", "-n", "patched").returncode == 0
    bindings = {
        "plain": {"serviceAccount": {"name": "app", "namespace": "plain"}, "policyArns": []},
        "patched": {"serviceAccount": {"name": "app", "namespace": "patched", "create": False}, "policyArns": []},
        "made": {"serviceAccount": {"name": "app", "namespace": "made", "createNamespace": True}, "policyArns": []},
        "foreign": {"serviceAccount": {"name": "foreign"}, "policyArns": []},
    }
    stack = Project(cloud, tmp_path / "project", {"clusters": blue_and_green(green), "bindings": bindings})
    for rule in ("namespace-missing", "service-account-missing"):
        said = json.loads(irsa(stack, "check", "--live", "--json", f"Pulumi.{STACK}.yaml").stdout)
        found = [each["fix"] for file in said["files"] for each in file["errors"] if each["rule"] == rule]
        for fix in dict.fromkeys(found):
            follow(stack, fix.partition("create it: ")[2])
        assert found
    stack.up()
    healthy = {name: service_account(cloud, "app", name) for name in (*NAMESPACES, "made")}

    for name in (*NAMESPACES, "made"):
        in_green("delete", "namespace", name, "--timeout=60s")
    in_green("annotate", "serviceaccount", "foreign", "--overwrite", f"{ROLE_ARN}=arn:aws:iam::111122223333:role/x")
    lines = irsa(stack, "verify", "--stack", STACK).stdout.splitlines()
    block = lines[lines.index(IN_ORDER) + 1 :]
    commands = [line.strip() for line in block[: block.index("")]]
    assert len({*commands}) == len(commands)
    for command in commands:
        follow(stack, command)

    code, checks = report(stack, "verify")
    assert (code, not_good(checks)) == (0, [])
    assert {name: service_account(cloud, "app", name) for name in healthy} == healthy
    stack.destroy()
