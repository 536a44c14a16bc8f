"""What policies give together, on examples of AWS's pages."""

from typing import Any

import pytest

from irsa.evaluation.permissions import gives
from tests.unit.irsa.evaluation.identity_policies import allow
from tests.world import document

NOBODYS = "arn:aws:s3:::strangerzq/strangerzq"


def test_an_older_version_has_no_variables() -> None:
    old = gives([{**document(allow("s3:*", "arn:aws:s3:::b/${aws:username}")), "Version": "2008-10-17"}])
    assert old.of("s3:GetObject", "arn:aws:s3:::b/${aws:username}") is True
    assert old.of("s3:GetObject", "arn:aws:s3:::b/x") is False


@pytest.mark.parametrize(
    ("condition", "given"),
    [
        # Availability and values: reference_policies_condition-keys.html
        ({"Bool": {"AWS:securetransport": ["true"]}}, True),
        ({"StringLike": {"aws:Referer": "https://example.com/*"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}}, True),
        # What aws:TagKeys lists follows from the tags.
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}, "Null": {"aws:RequestTag/b": "false"}}, None),
        ({"Bool": {"aws:ViaAWSService": "false"}}, True),
        ({"Bool": {"aws:ViaAWSService": "true"}}, None),
        # Keys of a service are absent for all others.
        ({"StringEquals": {"sts:RoleSessionName": "x"}}, None),
        ({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, None),
        # reference_policies_elements_condition_operators.html: IfExists, Null, sets
        ({"Null": {"aws:SourceVpc": ["true", "false"]}}, True),
        ({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "*"}}, True),
        ({"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": "*"}}, False),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, None),
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, None),
        ({"StringEquals": {"aws:UserAgent": "${aws:PrincipalTag/agent}"}}, None),
        ({"NoOperator": {"aws:UserAgent": "x"}}, None),
        ({}, True),
    ],
)
def test_a_condition_of_an_allow(condition: Any, given: bool | None) -> None:
    assert gives([document(allow(Condition=condition))]).of("s3:GetObject", NOBODYS) is given
