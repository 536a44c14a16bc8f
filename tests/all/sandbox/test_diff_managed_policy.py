import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox.irsa_command import irsa
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox


def test_what_a_managed_policy_of_aws_gives(deploy: Callable[..., Project], tmp_path: Path) -> None:
    attached = {"serviceAccount": {"name": "reads"}, "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]}
    project = deploy({"bindings": {"reads": {**attached, "policyArns": []}}})
    project.up()
    project.set({"bindings": {"reads": attached}})
    more = irsa(project, "diff", "--stack", STACK)
    project.up()
    project.set({"bindings": {"reader": attached}})
    renamed = irsa(project, "diff", "--stack", STACK)
    project.set({"bindings": {}})

    assert re.search(r"^\+ reads-\w+ gains sqs:.* on \*$", more.stdout.replace("\n+     ", " "), re.MULTILINE), (
        more.stdout
    )
    assert "gains policy arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess" in more.stdout.replace("\n+     ", " ")
    assert "cannot tell" not in more.stdout
    assert "`formerly: reads`" in renamed.stdout
    assert "statement" not in renamed.stdout
