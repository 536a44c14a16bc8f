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
