from typing import Any

import pytest

from irsa.add_ons.document import managed_policies, managed_policy_arn
from irsa.evaluation.lint.permissions import unlimited
from tests.unit.irsa.add_ons.every_add_on import all_documents

EVERYTHING, SERVICE = "every action on every resource", "every action of an AWS service"
ADMINISTRATOR = "arn:aws-us-gov:iam::aws:policy/AdministratorAccess"
READ = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}


def statement(action: Any = "*", resource: Any = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def said(*statements: Any, arns: Any = (), subjects: Any = ()) -> list[str]:
    return [*unlimited([{"Version": "2012-10-17", "Statement": [*statements]}], arns, subjects)]


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        ([statement()], EVERYTHING),
        ([{"Effect": "Allow", "NotAction": "sqs:*", "NotResource": "arn:aws:s3:::b"}], EVERYTHING),
        ([statement(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})], EVERYTHING),
        ([statement("S3:*", ["arn:aws:s3:::*"])], SERVICE),
        ([statement("iam:Pass*", "arn:aws:iam::*:role/*")], "iam:PassRole on every role"),
        (
            [statement("iam:*"), statement("iam:*", effect="Deny"), statement("iam:PassRole", "arn:aws:iam::1:role/a")],
            "",
        ),
        ([statement(), statement(effect="Deny")], ""),
        ([statement("s3:*", "arn:aws:s3:::b*/*"), READ], ""),
    ],
)
def test_what_its_policies_allow(statements: list[Any], text: str) -> None:
    found = said(*statements)

    assert len(found) == bool(text)
    assert all(text in each for each in found)


@pytest.mark.parametrize(
    ("arns", "statements", "count"),
    [
        ([ADMINISTRATOR], [], 1),
        ([ADMINISTRATOR], [statement(effect="Deny")], 0),
        ([ADMINISTRATOR.replace("aws:policy", "111122223333:policy"), ADMINISTRATOR + "-own"], [], 0),
    ],
)
def test_which_policies_of_aws(arns: list[str], statements: list[Any], count: int) -> None:
    assert len(said(*statements, arns=arns)) == count


@pytest.mark.parametrize(
    ("subjects", "count"),
    [
        (["*:*"], 1),
        (["*:?*", "a:b"], 1),
        ([f"{each}*:*" for each in "abcdefghijklmnopqrstuvwxyz0123456789"], 1),
        (["a:*", "*:b", "a*:*"], 0),
    ],
)
def test_who_may_have_it(subjects: list[str], count: int) -> None:
    """The attack: patterns that together match each service account of the cluster."""
    assert len(said(subjects=subjects)) == count


def test_no_add_on_is_unlimited() -> None:
    for each in all_documents():
        arns = [managed_policy_arn("aws", key) for key in managed_policies(each.add_on, each.version, each.scope)]
        assert [*unlimited([each.document], arns, [each.add_on.subject])] == []
