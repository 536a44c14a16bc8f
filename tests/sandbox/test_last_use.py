import json
from typing import Any

import pytest

from tests.output_schemas import check_output
from tests.sandbox.estate import page, permissions, remove_role, statement
from tests.sandbox.live import create_role

pytestmark = pytest.mark.sandbox

ACTIONS = ["s3:PutBucketPolicy", "s3:ListAllMyBuckets", "s3:GetObject", "sns:Publish", "sqs:ListQueues"]
USED = {"s3": {"ListAllMyBuckets": 3, "PutBucketPolicy": None}, "sqs": {"": 2, "ListQueues": None}}
ROLES = {
    "last-use-idle": ({"age": 500}, "never used"),
    "last-use-partly": ({"age": 500, "used": USED}, "used"),
    "last-use-young": ({"age": 10}, "too young"),
}


def test_what_roles_never_used(cloud: Any) -> None:
    iam = cloud.aws("iam")
    cloud.sandbox.last_use.write_text(json.dumps({name: said for name, (said, _) in ROLES.items()}))
    for name in ROLES:
        create_role(iam, name, statement(page("default:default")))
        iam.put_role_policy(RoleName=name, PolicyName="app", PolicyDocument=json.dumps(permissions(ACTIONS)))
    answer = cloud.run("irsa", "inventory", "--last-use", "--json")
    for name in ROLES:
        remove_role(iam, name)
    cloud.sandbox.last_use.unlink()
    last_use = check_output("inventory", answer.stdout)["lastUse"]
    rows = {(each["role"].rpartition("/")[2], each["policy"]): each for each in last_use}
    partly = rows["last-use-partly", "app"]

    assert {name: rows[name, ""]["outcome"] for name in ROLES} == {name: said for name, (_, said) in ROLES.items()}
    assert (partly["outcome"], partly["services"]) == ("partly used", ["sns"])
    assert partly["actions"] == ["s3:PutBucketPolicy", "sqs:ListQueues"]
    assert partly["cannotTell"] == ["s3:GetObject"]
