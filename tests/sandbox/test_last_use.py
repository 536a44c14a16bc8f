"""`irsa inventory --last-use` with roles that were never used, partly, and of which IAM reports nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.output_schemas import check_output
from tests.sandbox.estate import page, permissions, remove_role, statement
from tests.world import document

pytestmark = pytest.mark.sandbox

ACTIONS = ["s3:PutBucketPolicy", "s3:ListAllMyBuckets", "s3:GetObject", "sns:Publish", "sqs:ListQueues"]
ROLES: dict[str, dict[str, Any]] = {
    "last-use-idle": {"age": 500},
    # Three services: the sandbox answers with two at a time.
    "last-use-partly": {
        "age": 500,
        "used": {"s3": {"ListAllMyBuckets": 3, "PutBucketPolicy": None}, "sqs": {"": 2, "ListQueues": None}},
    },
    "last-use-young": {"age": 10},
    "last-use-failed": {"age": 500, "failure": "internal"},
}


@pytest.fixture(scope="module")
def printed(cloud: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what the command prints, as text and as JSON."""
    iam = cloud.aws("iam")
    cloud.sandbox.last_use.write_text(json.dumps(ROLES))
    trust = json.dumps(document(statement(page("default:default"))))
    for name in ROLES:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        policy = json.dumps(permissions(ACTIONS))
        iam.put_role_policy(RoleName=name, PolicyName="app", PolicyDocument=policy)
    text, as_json = (cloud.run("irsa", "inventory", "--last-use", *more) for more in ([], ["--json"]))
    yield text.stdout, check_output("inventory", as_json.stdout)
    for name in ROLES:
        remove_role(iam, name)
    cloud.sandbox.last_use.unlink()


def test_what_roles_never_used(printed: tuple[str, dict[str, Any]]) -> None:
    text, found = printed
    rows = {
        (each["role"].rpartition("/")[2], each["policy"]): each
        for each in found["lastUse"]
        if "/last-use-" in each["role"]
    }
    partly = rows.pop(("last-use-partly", "app"))

    assert {name: each["outcome"] for (name, _), each in rows.items()} == {
        "last-use-idle": "never used",
        "last-use-partly": "used",
        "last-use-young": "too young",
        "last-use-failed": "cannot tell",
    }
    assert (partly["outcome"], partly["services"]) == ("partly used", ["sns"])
    assert partly["actions"] == ["s3:PutBucketPolicy", "sqs:ListQueues"]
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-action-last-accessed.html
    assert partly["cannotTell"] == ["s3:GetObject"]
    assert text.partition(" of ")[0] == "1", text
    assert "internal" in text
