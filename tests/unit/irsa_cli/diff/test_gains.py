"""What policies give beyond what others gave: examples, and every ARN of a small world."""

import functools
import itertools
import json
import string
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from irsa.evaluation.permissions import gives
from irsa.rules.unknown import SECRET
from irsa_cli.diff.gains import Gain, gains
from tests.unit.irsa.evaluation.identity_policies import allow, under
from tests.world import document

OBJECT = ["arn:${Partition}:s3:::${BucketName}/${ObjectName}"]
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


# Whatever the patterns below can tell apart, one of these stands for it: each has the six parts of
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html. A name may be that of anything else.
IDS = ["a", "b", "ab", "c"]
OF_EC2 = [f"{kind}/{each}" for kind in ("snapshot", "volume", "volxme") for each in IDS]
GROUPS = [*IDS, *OF_EC2, "log-group", "111122223333"]
# No name has a colon, so that at most one of two is what looks like a type and a name.
OF_LOGS = [each for n in (1, 2) for each in map(":".join, itertools.product(GROUPS, repeat=n)) if each.count("/") < 2]
PLACES = itertools.product(["ec2", "sns"], ["us-west-2", "eu-west-1"], ["111122223333", "", "us-west-2"])
RESOURCES = [*OF_EC2, *(f"log-group:{each}" for each in OF_LOGS), "other"]
WORLD = ["*", *(f"arn:aws:{':'.join(place)}:{each}" for place in PLACES for each in RESOURCES)]
NAMED = ["ec2:AttachVolume", "ec2:AttachOtherVolume", "ec2:AttachOther", "ec2:DeleteVolume", "ec2:Other", "sns:Other"]

some_ids = st.sampled_from(["*", "a*", "*b"])
some_resources = st.one_of(
    st.builds("{}/{}".format, st.sampled_from(["snapshot", "volume", "vol?me"]), some_ids),
    st.builds("log-group:{}".format, some_ids),
    st.builds("log-group:{}:{}".format, some_ids, some_ids),
    st.just("*"),
)
some_patterns = st.one_of(
    st.builds(
        "arn:aws:{}:{}:{}:{}".format,
        st.sampled_from(["ec2", "ec2", "*"]),
        st.sampled_from(["*", "us-west-2"]),
        st.sampled_from(["*", "*", "111122223333"]),
        some_resources,
    ),
    # Without some of its parts, a wildcard stands for several.
    st.builds("arn:aws:ec2:*:{}/{}".format, st.sampled_from(["snapshot", "volume"]), some_ids),
    st.sampled_from(["*", "arn:aws:ec2:*"]),
)
some_statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Action": st.lists(
            st.sampled_from(["ec2:AttachVolume", "ec2:Attach*", "ec2:*Volume", "ec2:*", "*"]), min_size=1, max_size=2
        ),
        "Resource": st.lists(some_patterns, min_size=1, max_size=2),
    }
)
some_documents = st.lists(some_statements, max_size=3).map(lambda each: document(*each))


@functools.cache
def matched(pattern: str) -> int:
    """Which ARNs of the world a pattern matches, a bit for each."""
    return sum(fnmatchcase(arn, pattern) << index for index, arn in enumerate(WORLD))


@functools.cache
def with_colons_of(pattern: str) -> int:
    """Which ARNs have colons in their resource as a pattern has them in its own."""
    parts = pattern.split(":")

    def has(arn: str) -> bool:
        *before, _ = arn.split(":")
        return len(parts) > len(before) > 5 and all(map(fnmatchcase, before, parts))

    return sum(has(arn) << index for index, arn in enumerate(WORLD))


WITHOUT_COLONS = sum((arn.count(":") <= 5) << index for index, arn in enumerate(WORLD))


def those(patterns: Iterable[str]) -> int:
    return functools.reduce(int.__or__, map(matched, patterns), 0)


def may(policy: dict[str, Any], action: str) -> int:
    """On which ARNs a policy gives an action."""
    sides = {"Allow": 0, "Deny": 0}
    for each in policy["Statement"]:
        if any(fnmatchcase(action, pattern) for pattern in each["Action"]):
            sides[each["Effect"]] |= those(each["Resource"])
    return sides["Allow"] & ~sides["Deny"]


@settings(max_examples=150)
@given(some_documents, some_documents)
def test_each_gain_is_one_of_an_arn_that_can_exist(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Protects from an invented gain, such as AttachVolume on a snapshot: https://docs.python.org/3/library/fnmatch.html

    What is certain of an action and a resource is gained on some of it, if it can exist; on all where it says so.
    """
    written = {each for one in (before, after) for statement in one["Statement"] for each in statement["Resource"]}
    exist = functools.reduce(int.__or__, map(with_colons_of, written), WITHOUT_COLONS)
    gained = {action: may(after, action) & ~may(before, action) & exist for action in NAMED}
    left = dict(gained)
    for gain in gains(gives([before]), gives([after])):
        event(f"gain: {gain.extent}")
        of_gain = {each: [one for one in NAMED if fnmatchcase(one, each)] for each in gain.actions}
        for actions, resource in itertools.product(of_gain.values(), gain.resources):
            is_gained = any(gained[action] & matched(resource) for action in actions)
            can_exist = matched(resource) & exist
            assert is_gained or gain.extent == "cannot tell" or not can_exist, (gain, resource)
        every = {action for actions in of_gain.values() for action in actions}
        missing = [action for action in every if those(gain.resources) & exist & ~gained[action]]
        assert not (missing and gain.extent == "all")
        left |= {action: left[action] & ~those(gain.resources) for action in every}
    assert not any(left.values())


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
    assert [(each.resources, each.extent) for each in gains(before, after)] == [((denied,), "all")]
    assert not any(each.extent == "all" for each in gains(after, gives([document(wide, narrow)])))
