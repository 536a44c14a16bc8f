"""What policies give beyond what others gave: examples, and documents that are hard to compare."""

import json
import string

import pytest

from irsa.evaluation.permissions import gives
from irsa_cli.diff.gains import gains
from tests.unit.irsa.evaluation.identity_policies import allow, under
from tests.world import document

OBJECT = ["arn:${Partition}:s3:::${BucketName}/${ObjectName}"]


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


@pytest.mark.parametrize(
    ("allowed", "denied"),
    [
        ("arn:aws:*:eu-*", "arn:aws:sqs:eu-west-1:111122223333:a"),
        ("arn:*s3*", "arn:aws:s3:::a"),
        ("arn:aws:s3???*", "arn:aws:s3:::a"),
        ("arn:aws:logs:*:prod", "arn:aws:logs:us-west-2:111122223333:log-group:prod"),
        ("arn:aws:logs:*:*:/eks/*", "arn:aws:logs:us-west-2:111122223333:log-group:/eks/a"),
    ],
)
def test_a_wildcard_stands_for_the_colons_of_an_arn(allowed: str, denied: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html: it matches any text.

    A Deny that goes is gained, and what was allowed by the wildcard is not gained again for certain.
    """
    wide = {"Effect": "Allow", "Action": "sqs:*", "Resource": allowed}
    narrow = {"Effect": "Allow", "Action": "sqs:*", "Resource": denied.replace("111122223333", "*")}
    before, after = (
        gives([document(wide, {**narrow, "Effect": "Deny", "Resource": denied})]),
        gives([document(wide)]),
    )
    assert [(each.resources, each.certain) for each in gains(before, after)] == [((denied,), True)]
    assert not any(each.certain for each in gains(after, gives([document(wide, narrow)])))
