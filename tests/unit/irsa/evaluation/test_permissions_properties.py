"""What policies give, against an evaluator of its own, on actions and resources of AWS's service reference."""

import json
import re
import string
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from docs.generate.actions import reference
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


@given(cases())
def test_what_is_given(case: tuple[iam.Role, list[tuple[str, str]]]) -> None:
    role, asked = case
    for action, resource in asked:
        answer = gives(*role).of(action, resource)
        event(f"given: {answer}")
        if answer is True:
            assert all(iam.decisions(role, action, resource))
        if answer is False:
            assert not any(iam.decisions(role, action, resource))


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


@pytest.mark.parametrize("letter", string.ascii_lowercase)
def test_a_letter_is_not_in_all_names(letter: str) -> None:
    """What a Deny names by one letter is no more than an exception; an Allow by one is not everywhere."""
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    narrow = {**wide, "Resource": f"arn:aws:s3:::*{letter}*"}
    arns = ["arn:${Partition}:s3:::${BucketName}"]
    assert gives([document(wide, {**narrow, "Effect": "Deny"})]).everywhere("s3:ListBucket", arns) is True
    assert gives([document(narrow)]).everywhere("s3:ListBucket", arns) is False


def as_the_caller_likes(role: iam.Role) -> iam.Role:
    """What a caller gets who chooses whatever a condition asks for, and whatever a Deny leaves out."""

    def chosen(policy: Any) -> Any:
        return document(
            *(
                {**each, "Condition": {operator: others for operator, keys in several if (others := left(keys))}}
                for each in policy["Statement"]
                for several in [each.get("Condition", {}).items()]
                if each["Effect"] == "Allow" or all(left(keys) == keys for _, keys in several)
            )
        )

    def left(keys: Mapping[str, Any]) -> Mapping[str, Any]:
        return {key: values for key, values in keys.items() if key not in iam.CALLER}

    return [chosen(each) for each in role[0]], role[1] and chosen(role[1])


@given(cases(), st.data())
def test_everywhere(case: tuple[iam.Role, list[tuple[str, str]]], data: st.DataObject) -> None:
    role, asked = case
    action = asked[0][0]
    assume(ARNS_OF[action])
    arn = data.draw(st.sampled_from(ARNS_OF[action]))
    answer = gives(*role).everywhere(action, [arn])
    event(f"everywhere: {answer}")
    names = st.text(string.ascii_lowercase, min_size=8, max_size=20)
    values = {key: st.sampled_from(each) for key, each in VALUES.items() if key != "Region"}
    every = [each for policy in (*role[0], *([role[1]] if role[1] else [])) for each in policy["Statement"]]
    named = [
        pattern
        for each in every
        for pattern in iam.several(each.get("NotResource" if each["Effect"] == "Allow" else "Resource", []))
    ]
    # One region is enough: any of those that a pattern names.
    in_region = re.sub(
        r"\$\{(\w+)\}",
        lambda match: match[0] if match[1] == "Region" else data.draw(values.get(match[1], names)),
        arn,
    )
    patterns = [pattern for each in every for pattern in iam.several(each.get("Resource", []))]
    regions = {re.sub(r"[*?]", "1", part) for each in patterns for part in each.split(":")[3:4]} | {"zz-central-9"}
    resources = [in_region.replace("${Region}", region) for region in sorted(regions)]
    excepted = any(
        iam.glob(pattern.replace(iam.VARIABLE, "*"), resource) for pattern in named for resource in resources
    )
    if answer is True and not excepted:
        caller = as_the_caller_likes(role)
        assert any(all(iam.decisions(caller, action, resource)) for resource in resources)
