"""What policies give together, on examples of AWS's pages, and what others give beyond that."""

import json
import string
from typing import Any

import pytest

from irsa.evaluation.gains import Gain, gains
from irsa.evaluation.permissions import gives
from irsa.rules.unknown import SECRET
from tests.world import document

OBJECT = ["arn:${Partition}:s3:::${BucketName}/${ObjectName}"]
NOBODYS = "arn:aws:s3:::strangerzq/strangerzq"


def allow(action: Any = "s3:*", resource: Any = "*", **others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **others}


def deny(action: Any = "s3:*", resource: Any = "*", **others: Any) -> dict[str, Any]:
    return {**allow(action, resource, **others), "Effect": "Deny"}


def under(**condition: Any) -> dict[str, Any]:
    return {"Condition": condition}


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


@pytest.mark.parametrize(
    ("allows", "denies", "given"),
    [
        # The usual pair: https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
        ({}, {"Bool": {"aws:SecureTransport": "false"}}, True),
        ({}, {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "a"}}, {"StringNotEquals": {"aws:RequestedRegion": "a"}}, True),
        # Nobody meets the one and avoids the other.
        ({"StringEquals": {"aws:RequestedRegion": "a"}}, {"StringEquals": {"aws:RequestedRegion": "a"}}, None),
        ({}, {"StringEquals": {"aws:SourceVpc": "vpc-1"}}, None),
        # One condition that is not met is enough to avoid it.
        ({}, {"StringEquals": {"aws:SourceVpc": "vpc-1", "aws:UserAgent": "x"}}, True),
        ({}, {"StringLikeIfExists": {"aws:SourceVpc": "*"}}, False),
        ({}, {"ForAnyValue:StringNotLike": {"aws:TagKeys": "*"}}, True),
    ],
)
def test_a_condition_of_a_deny(allows: Any, denies: Any, given: bool | None) -> None:
    role = gives([document(allow(Condition=allows), deny(Condition=denies))])
    assert role.of("s3:GetObject", NOBODYS) is given


STAR = ("*",)


@pytest.mark.parametrize(
    ("before", "after", "gained"),
    [
        ([allow("s3:Get*")], [allow("s3:*")], [Gain(("s3:*",), STAR, "some")]),
        # Resources are of one letter case: one gain says nothing of the other.
        (
            [],
            [allow("s3:Get*", "arn:aws:s3:::A/*"), allow("s3:GetObject", "arn:aws:s3:::a/*")],
            [
                Gain(("s3:Get*",), ("arn:aws:s3:::A/*",), "all"),
                Gain(("s3:GetObject",), ("arn:aws:s3:::a/*",), "all"),
            ],
        ),
        # An action without resource types is on `*`.
        ([allow("*", "arn:*")], [allow("*")], [Gain(STAR, STAR, "some")]),
        (
            [allow("s3:GetObject", "*", **under(StringEquals={"aws:RequestTag/a": "b"}))],
            [allow("s3:GetObject")],
            [Gain(("s3:GetObject",), STAR, "cannot tell", ("aws:RequestTag/a",))],
        ),
        # A condition that every request meets is none; one that the caller can meet is one.
        ([allow("s3:*", **under(StringLike={"aws:PrincipalArn": "*"}))], [allow("s3:*")], []),
        (
            [],
            [allow("s3:*", **under(StringEquals={"aws:SourceVpc": "vpc-1"}))],
            [Gain(("s3:*",), STAR, "all", ("aws:SourceVpc",))],
        ),
        ([allow("s3:*", SECRET)], [allow("s3:*", SECRET)], [Gain(("s3:*",), STAR, "cannot tell")]),
        ([], [allow("s3:*", "arn:aws:s3:::b/${*}")], [Gain(("s3:*",), ("arn:aws:s3:::b/${*}",), "all")]),
    ],
)
def test_what_is_gained(before: list[Any], after: list[Any], gained: list[Gain]) -> None:
    assert gains(gives([document(*before)]), gives([document(*after)])) == tuple(gained)


NASTY = {
    "stars": [allow("s3:*", [f"arn:aws:s3:::*{a}*{b}*{a}?*" for a in "abcdef" for b in string.ascii_lowercase])],
    "letters": [
        {"Effect": effect, "NotAction": f"s3:{letter}*", "NotResource": f"arn:aws:s3:::*{letter}*"}
        for letter in string.ascii_lowercase
        for effect in ("Allow", "Deny")
    ],
    "conditions": [
        {
            **allow(f"s3:{a}*", f"*{a}*"),
            "Effect": effect,
            **under(StringLike={"aws:UserAgent": a, f"aws:RequestTag/{a}": a}),
        }
        for a in string.ascii_lowercase
        for effect in ("Allow", "Deny")
    ],
}


@pytest.mark.parametrize("name", sorted(NASTY))
def test_a_nasty_document_has_an_answer(name: str) -> None:
    """The attack: patterns that combine without end, which a test's timeout would end."""
    nasty = document(*NASTY[name])
    assert 3000 < len(json.dumps(nasty)) < 9000
    role = gives([nasty])
    found = gains(gives([]), role)
    asked = [role.everywhere("s3:PutObject", OBJECT), role.of("s3:PutObject", f"arn:aws:s3:::{'ab' * 400}")]
    assert asked
    # Beyond the bound it can't be told; that is not "no change".
    assert found
    assert {each.partition(":")[0] for gain in found for each in gain.actions} <= {"s3", "*"}
