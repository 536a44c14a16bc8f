"""`irsa inventory --last-use` of roles that were never used, in part, too young, or of which IAM's job fails."""

import json
from typing import Any

import pytest

from tests.output_schemas import check_output
from tests.sandbox.estate import page, permissions, remove_role, statement
from tests.world import document

pytestmark = pytest.mark.sandbox

ACTIONS = ["s3:PutBucketPolicy", "s3:ListAllMyBuckets", "s3:GetObject", "sns:Publish", "sqs:ListQueues"]
# Of three services the sandbox lists two on a page.
USED = {"s3": {"ListAllMyBuckets": 3, "PutBucketPolicy": None}, "sqs": {"": 2, "ListQueues": None}}
ROLES = {
    "last-use-idle": ({"age": 500}, "never used"),
    "last-use-partly": ({"age": 500, "used": USED}, "used"),
    "last-use-young": ({"age": 10}, "too young"),
    "last-use-failed": ({"age": 500, "failure": "internal"}, "cannot tell"),
}


def test_what_roles_never_used(cloud: Any) -> None:
    iam = cloud.aws("iam")
    cloud.sandbox.last_use.write_text(json.dumps({name: said for name, (said, _) in ROLES.items()}))
    for name in ROLES:
        iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(document(statement(page("default:default"))))
        )
        iam.put_role_policy(RoleName=name, PolicyName="app", PolicyDocument=json.dumps(permissions(ACTIONS)))
    text, as_json = (cloud.run("irsa", "inventory", "--last-use", *more) for more in ([], ["--json"]))
    for name in ROLES:
        remove_role(iam, name)
    cloud.sandbox.last_use.unlink()
    rows = {
        (each["role"].rpartition("/")[2], each["policy"]): each
        for each in check_output("inventory", as_json.stdout)["lastUse"]
    }
    partly = rows["last-use-partly", "app"]

    assert {name: rows[name, ""]["outcome"] for name in ROLES} == {name: said for name, (_, said) in ROLES.items()}
    assert (partly["outcome"], partly["services"]) == ("partly used", ["sns"])
    assert partly["actions"] == ["s3:PutBucketPolicy", "sqs:ListQueues"]
    assert partly["cannotTell"] == ["s3:GetObject"]
    assert text.stdout.startswith("1 of "), text.stdout
    assert "internal" in text.stdout
