"""Which documents the AWS provider takes for the same.

The rules are those of https://github.com/hashicorp/awspolicyequivalence, by which terraform-provider-aws suppresses a
difference (internal/verify/json.go), and so does the Pulumi provider that bridges it.
"""

from typing import Any

import pytest

from irsa.evaluation.normal_form import are_equivalent
from tests.unit.irsa_cli.adopt.scene import host_path, statement
from tests.world import document as policy_document

DOCUMENT = policy_document(statement("a:b", "a:c"), {"Effect": "Deny", "Principal": "*", "Action": "sts:*"})


def changed(**elements: Any) -> dict[str, Any]:
    first, second = DOCUMENT["Statement"]
    return policy_document({**first, **elements}, second)


CONDITION = DOCUMENT["Statement"][0]["Condition"]
REVERSED = {
    "StringEquals": {
        f"{host_path()}:sub": list(reversed(CONDITION["StringEquals"][f"{host_path()}:sub"])),
        f"{host_path()}:aud": ["sts.amazonaws.com"],
    }
}


@pytest.mark.parametrize(
    "other",
    [
        policy_document(*reversed(DOCUMENT["Statement"])),
        changed(Action=["sts:AssumeRoleWithWebIdentity"]),
        changed(Sid=""),
        changed(Principal={"Federated": [DOCUMENT["Statement"][0]["Principal"]["Federated"]]}),
        changed(Condition=REVERSED),
    ],
    ids=[
        *("order of statements", "list of one action", "empty Sid", "list of one principal"),
        "order of values, list of one value",
    ],
)
def test_the_same(other: dict[str, Any]) -> None:
    assert are_equivalent(DOCUMENT, other)


@pytest.mark.parametrize(
    "other",
    [
        changed(Sid="Other"),
        changed(Action="sts:assumerolewithwebidentity"),
        {**DOCUMENT, "Version": "2008-10-17"},
        {"Statement": DOCUMENT["Statement"]},
        {**DOCUMENT, "Id": "x"},
        policy_document(DOCUMENT["Statement"][0]),
        changed(Condition={"StringLike": CONDITION["StringEquals"]}),
        changed(Condition={"stringequals": CONDITION["StringEquals"]}),
    ],
    ids=["Sid", "case", "Version", "no Version", "Id", "a statement less", "operator", "case of the operator"],
)
def test_not_the_same(other: dict[str, Any]) -> None:
    assert not are_equivalent(DOCUMENT, other)


def test_an_aws_account_is_its_root() -> None:
    number, root = (
        policy_document({"Effect": "Allow", "Principal": {"AWS": each}, "Action": "sts:AssumeRole"})
        for each in ("111122223333", "arn:aws:iam::111122223333:root")
    )

    assert are_equivalent(number, root)
    # Documents of hands and scripts often have no list.
    assert are_equivalent(number, {**root, "Statement": root["Statement"][0]})
