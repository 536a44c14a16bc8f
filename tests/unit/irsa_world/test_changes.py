"""Who gains and who loses, against the evaluation of each service account's token before and after."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.grants import grants, is_within
from irsa.rules.subjects import subject_claim
from irsa_world.trusts.changes import changes
from tests.world import document, of_tokens

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
AUDIENCES = ("sts.amazonaws.com", "other")
SUBJECTS = [f"{namespace}:{name}" for namespace in ("a", "ab", "b") for name in ("a", "ab", "b", "x")]
NAMESPACES, NAMES = ("a", "ab", "a*", "*", "?", "b", "*b"), ("a", "ab", "a*", "*", "?b", "x", "*b", "?")
OPERATORS = ("StringEquals", "StringLike", "StringLike", "StringLike", "StringNotEquals", "StringNotLike")


def statement(effect: str, operator: str, *subjects: str, audience: str = "") -> dict[str, Any]:
    condition = {operator: {f"{ISSUER}:sub": [*map(subject_claim, subjects)]}}
    of_audience = {"ForAnyValue:StringEquals": {f"{ISSUER}:aud": audience}} if audience else {}
    return of_tokens(PROVIDER, {**condition, **of_audience}, Effect=effect)


def at_random(draw: random.Random) -> list[dict[str, Any]]:
    def subjects() -> list[str]:
        return [f"{draw.choice(NAMESPACES)}:{draw.choice(NAMES)}" for _ in range(draw.randint(1, 2))]

    return [
        statement(
            draw.choice(["Allow", "Allow", "Deny"]),
            draw.choice(OPERATORS),
            *subjects(),
            audience=draw.choice(["", "", *AUDIENCES]),
        )
        for _ in range(draw.randint(1, 3))
    ]


def admitted(trust: Parsed) -> set[str]:
    requests = [
        (each, WebIdentityRequest(PROVIDER, subject_claim(each), audience))
        for each in SUBJECTS
        for audience in AUDIENCES
    ]
    return {each for each, one in requests if evaluate_parsed(*trust, one).decision is Decision.ALLOWED}


# Each of two patterns that overlap may keep those whom the other one loses.
OVERLAPPING = [
    (
        [statement("Allow", "StringLike", "*b:*b", "a*:*")],
        [statement("Deny", "StringLike", "a:?b"), statement("Allow", "StringLike", "*:a*")],
    ),
    (
        [statement("Allow", "StringLike", "a*:?")],
        [statement("Allow", "StringLike", "?:*", "ab:*"), statement("Deny", "StringLike", "ab:a*", "a:*b")],
    ),
]
RANDOM = [tuple(at_random(draw) for _ in "ba") for draw in map(random.Random, range(100))]


@pytest.mark.parametrize("both", [*OVERLAPPING, *RANDOM], ids=range(len(OVERLAPPING) + len(RANDOM)))
def test_nobody_gains_or_loses_in_silence(both: Sequence[Sequence[Any]]) -> None:
    before, after = (parse(document(*each)) for each in both)
    had, has = admitted(before), admitted(after)
    sides = [grants(each, PROVIDER, AUDIENCES) for each in (before, after)]
    found, undecided = changes(*sides)
    told = {
        (each.change, subject)
        for each in found
        for subject in SUBJECTS
        if is_within(subject, [each.subject]) and not is_within(subject, each.but)
    }

    expected = {*(("gains", each) for each in has - had), *(("loses", each) for each in had - has)}
    # Nobody is missing but within a pattern of which neither trust policy can be told.
    missing = {subject for _, subject in expected - told}
    patterns = {pattern for side in sides if side for pattern in side.named}
    unknown = [each for each in patterns if all(side and side.answer(each).given is None for side in sides)]
    assert [subject for subject in missing if not is_within(subject, unknown)] == []
    assert undecided or not missing
    # Who is told to lose for certain has it no more.
    certain = [each for each in found if each.certain and each.change == "loses" and each.subject in SUBJECTS]
    assert not {each.subject for each in certain} & has
