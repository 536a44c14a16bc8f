"""What policies give together, on examples of AWS's pages."""

from typing import Any

import pytest

from irsa.evaluation.permissions import gives
from tests.unit.irsa.evaluation.identity_policies import allow, deny, under
from tests.world import document

NOBODYS = "arn:aws:s3:::strangerzq/strangerzq"


def test_an_older_version_has_no_variables() -> None:
    old = gives([{**document(allow("s3:*", "arn:aws:s3:::b/${aws:username}")), "Version": "2008-10-17"}])
    assert old.of("s3:GetObject", "arn:aws:s3:::b/${aws:username}") is True
    assert old.of("s3:GetObject", "arn:aws:s3:::b/x") is False


@pytest.mark.parametrize(
    ("condition", "given"),
    [
        # reference_policies_elements_condition_operators.html: IfExists, Null, sets
        ({"Null": {"aws:SourceVpc": ["true", "false"]}}, True),
        ({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "*"}}, True),
        ({"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": "*"}}, False),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, None),
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, None),
        ({"StringEquals": {"aws:UserAgent": "x"}}, None),
        ({}, True),
    ],
)
def test_a_condition_of_an_allow(condition: Any, given: bool | None) -> None:
    assert gives([document(allow(Condition=condition))]).of("s3:GetObject", NOBODYS) is given


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
QUEUE = "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"
EVERY = allow("sqs:*")


@pytest.mark.parametrize(
    ("statements", "given"),
    [
        ([EVERY], True),
        ([allow("sqs:*", "arn:aws:sqs:*:111122223333:*")], True),
        ([allow("sqs:*", "arn:aws-cn:sqs:*:111122223333:*")], True),
        # Every queue of one region is every resource of a type there; one word of their names is not.
        ([allow("sqs:*", "arn:aws:sqs:us-west-2:111122223333:*")], True),
        ([allow("sqs:*", "arn:aws:sqs:us-*:111122223333:*")], True),
        ([allow("sqs:*", "arn:aws:sqs:us-*-?:1111*:*")], True),
        ([allow("sqs:*", "arn:aws:sqs:us-*:111122223333:q")], False),
        ([allow("sqs:*", "arn:aws:sqs:*:111122223333:team-*")], False),
        ([allow("sqs:GetQueueUrl")], False),
        # Who calls chooses the region, not the VPC; a service that is passed to is no key of SQS.
        ([allow("sqs:*", **under(StringEquals={"aws:RequestedRegion": "us-west-2"}))], True),
        ([allow("sqs:*", **under(StringEquals={"aws:SourceVpc": "vpc-1"}))], False),
        ([allow("sqs:*", **under(StringEquals={"iam:PassedToService": "ec2.amazonaws.com"}))], False),
        ([EVERY, deny("sqs:SendMessage")], False),
        ([EVERY, deny("sqs:*", "arn:aws:sqs:*:*:team-*")], True),
        ([EVERY, deny("sqs:*", **under(StringNotEquals={"aws:RequestedRegion": "us-west-2"}))], True),
        ([EVERY, deny("sqs:*", **under(StringNotEquals={"aws:SourceVpc": "vpc-1"}))], False),
        # The second one is not asked about.
        ([allow("sqs:*", "arn:aws:sqs:us-west-2:111122223333:q"), EVERY], False),
    ],
)
def test_every_resource_of_a_type(statements: Any, given: bool) -> None:
    """The attack: a policy that is as wide as `*`, however it is spelled; a Deny of a few hides nothing."""
    assert gives([document(*statements)]).everywhere("sqs:SendMessage", [QUEUE], alone=0) is given


def test_the_statements_that_allow_an_action() -> None:
    statements = (allow("s3:*"), deny("s3:*"), allow("sqs:*"), allow("S3:get*"))

    assert gives([document(*statements)]).allowing("s3:GetObject") == [0, 3]
