"""What policies give and gain, against an evaluator of its own, on actions and resources of AWS's service reference."""

import functools
import itertools
import json
import re
import string
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from docs.generate.actions import reference
from irsa.evaluation.gains import Gain, gains
from irsa.evaluation.permissions import gives
from tests.unit.irsa.evaluation import identity_policies as iam
from tests.world import document

REFERENCE = reference()
SERVICES = ("s3", "iam", "sqs", "dynamodb")
# Some actions of each service, each with the ARNs of its resource types.
ARNS_OF = {
    f"{service}:{name}": [REFERENCE[service]["resources"][each]["arn"] for each in privilege["resource_types"] if each]
    for service in SERVICES
    for name, privilege in sorted(REFERENCE[service]["privileges"].items())[::9]
}
VALUES = {"Partition": ["aws"], "Region": ["us-west-2", "eu-west-1"], "Account": ["111122223333"]}
NAMES = ["a", "ab", "b", "team-a", "a*b", "mybucket", "zzzzzzzz"]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """An action and a resource of one of its types, or `*` where it has none."""
    action = draw(st.sampled_from(sorted(ARNS_OF)))
    if not ARNS_OF[action]:
        return action, "*"
    arn = draw(st.sampled_from(ARNS_OF[action]))
    return action, re.sub(r"\$\{(\w+)\}", lambda match: draw(st.sampled_from(VALUES.get(match[1], NAMES))), arn)


def wide(draw: st.DrawFn, text: str, start: int) -> str:
    """A pattern: the text itself, or with wildcards, from some place on."""
    at = draw(st.integers(start, len(text)))
    kind = draw(st.sampled_from(["exact", "prefix", "inner", "one", "start"]))
    return {
        "exact": text,
        "prefix": f"{text[:at]}*",
        "inner": f"{text[:at]}*{text[at + 1 :]}",
        "one": f"{text[:at]}?{text[at + 1 :]}" if at < len(text) else text,
        "start": f"{text[:start]}*",
    }[kind]


@st.composite
def statements(draw: st.DrawFn, pool: list[tuple[str, str]]) -> dict[str, Any]:
    action, resource = draw(st.sampled_from(pool))[0], draw(st.sampled_from(pool))[1]
    actions = [wide(draw, action, action.index(":") + 1)]
    actions += draw(st.sampled_from([[], ["*"], [draw(st.sampled_from(pool))[0].upper()]]))
    plain = re.sub(r"[*]", "${*}", resource)
    patterns = [wide(draw, plain, 8) if plain != "${*}" and "${" not in plain else "*"]
    patterns += draw(st.sampled_from([[], ["*"], [plain], [f"arn:aws:s3:::{iam.VARIABLE}*"], ["arn:aws:s3:::*"]]))
    condition: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        key = draw(st.sampled_from([*iam.CALLER, "aws:ResourceTag/team"]))
        operator = draw(st.sampled_from(["StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "Null"]))
        values = draw(st.sampled_from([["a"], ["*"], ["a*", "a"]] if "Like" in operator else [["a"]]))
        if key == "aws:securetransport":
            operator, values = "Bool", draw(st.sampled_from([["true"], ["false"]]))
        if operator == "Null":
            values = draw(st.sampled_from([["true"], ["false"], ["true", "false"]]))
        elif draw(st.booleans()):
            operator += "IfExists"
        condition.setdefault(operator, {})[key] = values
    return {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "Action", "NotAction"])): actions,
        draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"])): patterns,
        **({"Condition": condition} if condition else {}),
    }


@st.composite
def roles(draw: st.DrawFn, pool: list[tuple[str, str]]) -> iam.Role:
    documents = st.lists(statements(pool), min_size=1, max_size=3).map(lambda each: document(*each))
    return draw(st.lists(documents, min_size=1, max_size=2)), draw(st.none() | st.none() | documents)


# Policies and questions are about the same few actions and resources, so that they meet.
pools = st.lists(pairs(), min_size=1, max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> tuple[iam.Role, list[tuple[str, str]]]:
    pool = draw(pools)
    asked = st.tuples(st.sampled_from([each for each, _ in pool]), st.sampled_from([each for _, each in pool]))
    return draw(roles(pool)), draw(st.lists(asked | pairs(), min_size=1, max_size=4))


@st.composite
def changes(draw: st.DrawFn) -> tuple[iam.Role, iam.Role, list[tuple[str, str]]]:
    """A role before and after: a statement that goes, comes or is another, a boundary that goes; or another role."""
    pool = draw(pools)
    before = draw(roles(pool))
    documents, boundary = before
    several = [each for every in documents for each in every["Statement"]]
    at = draw(st.integers(0, len(several) - 1))
    kind = draw(st.sampled_from(["gone", "new", "edited", "unbounded", "another"]))
    if kind == "unbounded" and boundary is None:
        before = documents, document(draw(statements(pool)))
    if kind == "edited":
        other = draw(statements(pool))
        element = draw(st.sampled_from(["Effect", "Action", "Resource", "Condition"]))
        kept = {name: value for name, value in several[at].items() if not name.endswith(element)}
        several[at] = {**kept, **{name: value for name, value in other.items() if name.endswith(element)}}
    elif kind != "another":
        several = {"gone": several[:at] + several[at + 1 :], "new": [*several, draw(statements(pool))]}.get(
            kind, several
        )
    after = (
        draw(roles(pool)) if kind == "another" else ([document(*several)], None if kind == "unbounded" else boundary)
    )
    asked = st.tuples(st.sampled_from([each for each, _ in pool]), st.sampled_from([each for _, each in pool]))
    both = (after, before) if draw(st.booleans()) else (before, after)
    return *both, draw(st.lists(asked | pairs(), min_size=1, max_size=4))


@given(cases())
def test_what_is_given(case: tuple[iam.Role, list[tuple[str, str]]]) -> None:
    role, asked = case
    for action, resource in asked:
        answer = gives(*role).of(action, resource)
        event(f"given: {answer}")
        if answer is True:
            assert all(iam.caller_can(role, action, resource, iam.SURE))
        if answer is False:
            assert not any(iam.caller_can(role, action, resource, iam.CALLER))


@given(cases())
def test_what_is_certain_without_conditions_is_told(case: tuple[iam.Role, list[tuple[str, str]]]) -> None:
    role, asked = case
    plain = json.loads(json.dumps(role).replace(iam.VARIABLE, "a"))
    for each in (*plain[0], *([plain[1]] if plain[1] else [])):
        for statement in each["Statement"]:
            statement.pop("Condition", None)
    for action, resource in asked:
        expected = iam.allowed(plain, action, resource, {})
        assert gives(*plain).of(action, resource) is expected


def matching(gain: Gain, action: str, resource: str) -> bool:
    return any(iam.glob(each, action, flags=re.IGNORECASE) for each in gain.actions) and any(
        iam.glob(each, resource) for each in gain.resources
    )


@settings(max_examples=150)
@given(changes())
def test_what_is_gained(case: tuple[iam.Role, iam.Role, list[tuple[str, str]]]) -> None:
    before, after, asked = case
    found = gains(gives(*before), gives(*after))
    for gain in found:
        event(f"gain: {gain.extent}")
    for action, resource in asked:
        named = [each for each in found if matching(each, action, resource)]
        if any((each.extent, each.keys) == ("all", ()) for each in named):
            event("pair: gained for certain")
            assert all(iam.caller_can(after, action, resource, iam.SURE))
            assert not any(iam.caller_can(before, action, resource, iam.CALLER))
        for caller in (iam.SURE, iam.CALLER) if not named else ():
            event("pair: not gained")
            has = iam.caller_can(after, action, resource, caller)
            had = iam.caller_can(before, action, resource, caller)
            assert not any(new and not old for new, old in zip(has, had, strict=True))


# --- every ARN of a small world --------------------------------------------------------------------------------------

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


def test_a_denial_that_goes_is_gained_in_any_letter_case() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html: in any case."""
    allow = {"Effect": "Allow", "Action": "s3:*Get*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:get*", "Resource": "*"}
    found = gains(gives([document(allow, deny)]), gives([document(allow)]))
    assert any(matching(each, "s3:GetObject", "arn:aws:s3:::a/b") for each in found)


@given(cases())
def test_nothing_is_gained_by_another_order(case: tuple[iam.Role, list[tuple[str, str]]]) -> None:
    (several, boundary), _ = case
    split = [document(one) for each in reversed(several) for one in reversed(each["Statement"])]
    assert gains(gives(several, boundary), gives(split, boundary)) == ()
    assert gains(gives(split, boundary), gives(several, boundary)) == ()


@pytest.mark.parametrize("letter", string.ascii_lowercase)
def test_a_letter_is_not_in_all_names(letter: str) -> None:
    """What a Deny names by one letter is no more than an exception; an Allow by one is not everywhere."""
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    narrow = {**wide, "Resource": f"arn:aws:s3:::*{letter}*"}
    arns = ["arn:${Partition}:s3:::${BucketName}"]
    assert gives([document(wide, {**narrow, "Effect": "Deny"})]).everywhere("s3:ListBucket", arns) is True
    assert gives([document(narrow)]).everywhere("s3:ListBucket", arns) is False


@given(cases(), st.data())
def test_everywhere(case: tuple[iam.Role, list[tuple[str, str]]], data: st.DataObject) -> None:
    role, asked = case
    action = asked[0][0]
    assume(ARNS_OF[action])
    arn = data.draw(st.sampled_from(ARNS_OF[action]))
    answer = gives(*role).everywhere(action, [arn])
    event(f"everywhere: {answer}")
    names = st.text(string.ascii_lowercase, min_size=8, max_size=20)
    values = {**{key: st.sampled_from(each) for key, each in VALUES.items()}, "Region": st.just("zz-central-9")}
    resource = re.sub(r"\$\{(\w+)\}", lambda match: data.draw(values.get(match[1], names)), arn)
    every = [each for policy in (*role[0], *([role[1]] if role[1] else [])) for each in policy["Statement"]]
    excepted = any(
        iam.glob(pattern.replace(iam.VARIABLE, "*"), resource)
        for each in every
        for pattern in iam.several(each.get("NotResource" if each["Effect"] == "Allow" else "Resource", []))
    )
    if answer is True and not excepted:
        assert all(iam.caller_can(role, action, resource, iam.SURE))
