"""Which documents the AWS provider takes for the same.

The rules are those of https://github.com/hashicorp/awspolicyequivalence, by which terraform-provider-aws suppresses a
difference (internal/verify/json.go), and so does the Pulumi provider that bridges it.
"""

from typing import Any

import pytest

from irsa.evaluation.normal_form import are_equivalent
from tests.unit.irsa.evaluation.page_example import AUD, AUDIENCE, PROVIDER, SUB, document, statement

CONDITION = {"StringEquals": {AUD: AUDIENCE, SUB: ["system:serviceaccount:a:b", "system:serviceaccount:a:c"]}}
REVERSED = {"StringEquals": {AUD: [AUDIENCE], SUB: CONDITION["StringEquals"][SUB][::-1]}}


def changed(**elements: Any) -> dict[str, Any]:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}
    return document(statement(**{"Condition": CONDITION, **elements}), deny)


DOCUMENT = changed()


@pytest.mark.parametrize(
    "other",
    [
        document(*reversed(DOCUMENT["Statement"])),
        changed(Action=["sts:AssumeRoleWithWebIdentity"]),
        changed(Sid=""),
        changed(Principal={"Federated": [PROVIDER]}),
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
        document(DOCUMENT["Statement"][0]),
        changed(Condition={"StringLike": CONDITION["StringEquals"]}),
        changed(Condition={"stringequals": CONDITION["StringEquals"]}),
    ],
    ids=["Sid", "case", "Version", "no Version", "Id", "a statement less", "operator", "case of the operator"],
)
def test_not_the_same(other: dict[str, Any]) -> None:
    assert not are_equivalent(DOCUMENT, other)


def test_an_aws_account_is_its_root() -> None:
    number, root = (
        document({"Effect": "Allow", "Principal": {"AWS": each}, "Action": "sts:AssumeRole"})
        for each in ("111122223333", "arn:aws:iam::111122223333:root")
    )

    assert are_equivalent(number, root)
    # Documents of hands and scripts often have no list.
    assert are_equivalent(number, {**root, "Statement": root["Statement"][0]})
