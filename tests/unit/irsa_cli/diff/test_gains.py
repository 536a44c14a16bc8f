"""What policies gain, against every request of a small world; changes by which nobody gains; and hard documents.

Each pair of roles has conditions on one or two keys of the lists in
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html and
reference_policies_iam-condition-keys.html. `PAIRS=20000` tries so many of both kinds.
"""

import itertools
import json
import os
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from irsa.evaluation.permissions import gives
from irsa_cli.diff.gains import Gain, gains
from tests.unit.irsa.evaluation import identity_policies as iam
from tests.unit.irsa.evaluation.identity_policies import allow, under
from tests.world import document

PAIRS = int(os.environ.get("PAIRS", "1200"))
OF_SEED = 100
Statement = dict[str, Any]


# Of each kind of value some keys: in each request or not, of one value or several, the caller's own and others.
NAMES = ["aws:RequestedRegion", "aws:SourceVpc", "aws:PrincipalTag/team", "aws:userid", "sts:ExternalId"]
ARNS = ["aws:PrincipalArn", "aws:SourceArn"]
SETS = ["aws:TagKeys", "aws:CalledVia"]
BOOLS = ["aws:SecureTransport"]
IPS = ["aws:SourceIp"]
PRESENT = ["aws:PrincipalArn", "aws:PrincipalTag/team", "aws:userid"]
# Operators, what policies ask for, and what requests have: all that the patterns can tell apart.
WORDS = ["StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase"]
A, AB = (f"arn:aws:sqs:eu-west-1:111122223333:{name}" for name in ("a", "ab"))
KINDS: Sequence[tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[Sequence[str]]]] = [
    (NAMES, WORDS, ["a", "b", "a*", "*", "A"], [["a"], ["ab"], ["b"], ["c"], ["A"]]),
    (
        ARNS,
        ["ArnEquals", "ArnLike", "ArnNotLike", "StringLike"],
        [A, AB, "arn:aws:sqs:*:*:a*", "arn:*"],
        [[A], [AB], ["arn:aws:s3:::c"]],
    ),
    (
        SETS,
        [f"{of_set}:{each}" for of_set in ("ForAnyValue", "ForAllValues") for each in WORDS],
        ["a", "b", "a*"],
        [["a"], ["b"], ["a", "b"], ["ab", "c"]],
    ),
    (BOOLS, ["Bool"], ["true", "false"], [["true"], ["false"]]),
    (IPS, ["IpAddress", "NotIpAddress"], ["10.0.0.0/8", "10.1.0.0/16"], [["10.1.0.1"], ["10.2.0.1"], ["192.0.2.1"]]),
]
KEYS = {key: (operators, wanted, found) for keys, operators, wanted, found in KINDS for key in keys}
ACTIONS = ["s3:GetObject", "s3:PutObject", "iam:PassRole"]
RESOURCES = ["arn:aws:s3:::a/x", "arn:aws:s3:::b/x", "arn:aws:iam::111122223333:role/a"]
ACTION_PATTERNS = [*ACTIONS, "s3:*", "s3:*Get*", "*", "s3:get*"]
RESOURCE_PATTERNS = [
    *RESOURCES,
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::a/*",
    f"arn:aws:s3:::{iam.VARIABLE}/*",
    "arn:aws:s3:::*/*",
]


def a_condition(chance: random.Random, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for key in chance.sample(keys, chance.randint(0, len(keys))):
        operators, wanted, _ = KEYS[key]
        name = chance.choice(operators) + chance.choice(["", "", "", "IfExists"])
        values = chance.sample(wanted, chance.randint(1, min(2, len(wanted))))
        if not chance.randrange(8):
            name, values = "Null", [chance.choice(["true", "false"])]
        found.setdefault(name, {})[chance.choice([key, key.upper()])] = values
    return {"Condition": found} if found else {}


def a_statement(chance: random.Random, keys: Sequence[str]) -> Statement:
    def some(element: str, patterns: Sequence[str]) -> dict[str, list[str]]:
        return {chance.choice([element] * 3 + [f"Not{element}"]): chance.sample(patterns, chance.randint(1, 2))}

    effect = {"Effect": chance.choice(["Allow", "Allow", "Allow", "Deny"])}
    names = {**some("Action", ACTION_PATTERNS), **some("Resource", RESOURCE_PATTERNS)}
    return {**effect, **names, **a_condition(chance, keys)}


def a_role(chance: random.Random, keys: Sequence[str]) -> tuple[list[Statement], list[Statement] | None]:
    several, boundary = ([a_statement(chance, keys) for _ in range(chance.randint(1, 3))] for _ in range(2))
    return several, boundary if not chance.randrange(3) else None


def in_documents(chance: random.Random, role: tuple[list[Statement], list[Statement] | None]) -> iam.Role:
    """The statements in one or several documents: managed, inline or attached is all one."""
    statements, boundary = role
    at = chance.randint(0, len(statements))
    return [document(*each) for each in (statements[:at], statements[at:]) if each], document(
        *boundary
    ) if boundary else None


def contexts(keys: Sequence[str]) -> Iterator[iam.Context]:
    values = [[*([] if key in PRESENT else [()]), *KEYS[key][2]] for key in keys]
    for found in itertools.product(*values):
        yield {"aws:principaltag/team": ["a"], **{key.lower(): each for key, each in zip(keys, found, strict=True)}}


def like(chance: random.Random, name: str) -> str:
    """The same operator, or one that is met by other requests for the same values."""
    plain, (of_set, colon, rest) = name.removesuffix("IfExists"), name.rpartition(":")
    other_set = {"ForAnyValue": "ForAllValues", "ForAllValues": "ForAnyValue"}.get(of_set, "")
    return name if name == "Null" else chance.choice([plain, f"{plain}IfExists", f"{other_set}{colon}{rest}"])


def edited(chance: random.Random, role: Any, keys: Sequence[str]) -> Any:
    """Another role, or the same with a statement that comes, goes, or has another element; or without its boundary."""
    statements, boundary = json.loads(json.dumps(role))
    kind = chance.choice(["new", "gone", "element", "operator", "bare", "beside", "boundary", "another"])
    at = chance.randrange(len(statements))
    if kind == "another":
        return a_role(chance, keys)
    if kind == "boundary":
        return statements, chance.choice([None, [a_statement(chance, keys)]])
    if kind == "new":
        statements.append(a_statement(chance, keys))
    elif kind == "gone":
        del statements[at]
    elif kind == "operator":
        conditions = statements[at].get("Condition", {}).items()
        statements[at]["Condition"] = {like(chance, name): keys for name, keys in conditions}
    elif kind == "bare":
        statements[at].pop("Condition", None)
    elif kind == "beside":
        statements.append({name: value for name, value in statements[at].items() if name != "Condition"})
    else:
        other, element = a_statement(chance, keys), chance.choice(["Effect", "Action", "Resource", "Condition"])
        kept = {name: value for name, value in statements[at].items() if not name.endswith(element)}
        statements[at] = {**kept, **{name: value for name, value in other.items() if name.endswith(element)}}
    return statements or [a_statement(chance, keys)], boundary


def matching(gain: Gain, action: str, resource: str) -> bool:
    return any(iam.glob(each, action, flags=re.IGNORECASE) for each in gain.actions) and any(
        iam.glob(each, resource) for each in gain.resources
    )


@pytest.mark.parametrize("seed", range(PAIRS // OF_SEED))
def test_no_gain_is_silent(seed: int) -> None:
    """The attack: a condition on what the caller chooses goes, and "the caller had it anyway" was no gain."""
    chance = random.Random(seed)
    for _ in range(OF_SEED):
        keys = chance.sample(sorted(KEYS), chance.randint(1, 2))
        role = a_role(chance, keys)
        before, after = (in_documents(chance, each) for each in (role, edited(chance, role, keys)))
        found = gains(gives(*before), gives(*after))
        every = [*contexts(keys)]
        for action, resource in itertools.product(ACTIONS, RESOURCES):
            had, has = ([iam.allowed(each, action, resource, context) for context in every] for each in (before, after))
            named = [each for each in found if matching(each, action, resource)]
            assert named or not any(new and not old for old, new in zip(had, has, strict=True)), (before, after)
            for each in named:
                # One that no pattern has is gained, or nothing is told for certain.
                exact = not {*"*?$"} & {*"".join((*each.actions, *each.resources))}
                assert not (each.certain and exact) or (all(has) and not all(had)), (each, before, after)


OBJECTS, OTHERS = f"arn:aws:s3:::{iam.VARIABLE}/*", "arn:aws:s3:::*/*"


def in_two_spellings(value: str) -> dict[str, Any]:
    return under(StringEquals={"aws:PrincipalTag/team": "a", "aws:principaltag/TEAM": value})


@pytest.mark.parametrize("is_denied", [False, True])
@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        # A variable is read as `*`, which stands beside it.
        ({"NotResource": [OBJECTS, OTHERS, "*a"]}, {"NotResource": [OBJECTS, "*a"]}),
        # No page says what two spellings of one key mean: not that they are none.
        ({"Resource": "*", **in_two_spellings("b")}, {"Resource": "*", **in_two_spellings("a")}),
    ],
)
def test_what_only_looks_alike(narrow: Any, wide: Any, is_denied: bool) -> None:
    """The attack: a statement that applies to more is taken for the one before it."""
    effect, sides = ("Deny", (wide, narrow)) if is_denied else ("Allow", (narrow, wide))
    before, after = ([allow()] * is_denied + [{"Effect": effect, "Action": "s3:*", **each}] for each in sides)

    assert gains(gives([document(*before)]), gives([document(*after)]))


# --- what gives nobody more ------------------------------------------------------------------------------------------


def reordered(chance: random.Random, statements: list[Statement]) -> list[Statement]:
    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return chance.sample(value, len(value))
        return {key: shuffled(each) for key, each in value.items()} if isinstance(value, dict) else value

    return [shuffled(each) for each in chance.sample(statements, len(statements))]


def named_otherwise(chance: random.Random, statements: list[Statement]) -> list[Statement]:
    return [{**each, "Sid": f"S{chance.randrange(100)}x{number}"} for number, each in enumerate(statements)]


def spelled_otherwise(_: random.Random, statements: list[Statement]) -> list[Statement]:
    """Actions and condition keys in the other letter case, which IAM ignores."""
    found: list[Statement] = []
    for each in json.loads(json.dumps(statements)):
        actions = {name: [one.upper() for one in value] for name, value in each.items() if name.endswith("Action")}
        conditions = each.get("Condition", {}).items()
        found.append(
            {**each, **actions, "Condition": {o: {k.swapcase(): v for k, v in of.items()} for o, of in conditions}}
        )
    return found


def split(chance: random.Random, statements: list[Statement]) -> list[Statement]:
    """Each statement in several, by its actions or resources."""
    found = []
    for each in statements:
        element = chance.choice(["Action", "Resource"])
        found += [{**each, element: [one]} for one in each.get(element, ())] or [each]
    return found


def narrowed(chance: random.Random, statements: list[Statement]) -> list[Statement]:
    """What is allowed is less, by each of its elements, or what is denied is more."""
    found = []
    for each in statements:
        kind, denies, condition = chance.randrange(3), each["Effect"] == "Deny", each.get("Condition", {})
        fewer = () if denies else ("Action", "Resource")
        if kind == 0:
            other = a_condition(chance, [chance.choice(sorted(KEYS))]).get("Condition", {})
            found.append({**each, "Condition": {} if denies else {**other, **condition}})
        elif kind == 1:
            found.append({name: value[:1] if name in fewer else value for name, value in each.items()})
        else:
            found += [each] if denies else []
    return found or [{"Effect": "Deny", "Action": ["*"], "Resource": ["*"]}]


HARMLESS: Mapping[str, Callable[[random.Random, list[Statement]], list[Statement]]] = {
    "reordered": reordered,
    "another Sid": named_otherwise,
    "another letter case": spelled_otherwise,
    "split": split,
    "narrowed": narrowed,
    "moved between policies": lambda _, statements: statements,
}


@pytest.mark.parametrize("seed", range(PAIRS // OF_SEED))
def test_a_harmless_change_gains_nothing(seed: int) -> None:
    """Protects from a gate that always stops: neither a gain nor "cannot tell", nor a loss where nothing goes."""
    chance = random.Random(seed)
    for number in range(OF_SEED):
        name = [*HARMLESS][number % len(HARMLESS)]
        keys = chance.sample(sorted(KEYS), chance.randint(1, 2))
        statements, boundary = a_role(chance, keys)
        changed = HARMLESS[name](chance, statements), HARMLESS[name](chance, boundary) if boundary else None
        before, after = (gives(*in_documents(chance, each)) for each in ((statements, boundary), changed))
        assert gains(before, after) == (), (name, statements, changed)
        # The other way round, what is split is merged.
        assert name == "narrowed" or gains(after, before) == (), (name, changed, statements)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"NotAction": "s3:Get*", "Resource": "*"}, {"Action": "s3:PutObject", "Resource": "*"}),
        ({"Action": "s3:*", "NotResource": "arn:aws:s3:::a/*"}, {"Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}),
        ({"Action": "*", "Resource": "*"}, {"NotAction": "iam:*", "NotResource": OBJECTS}),
    ],
)
def test_what_is_within_an_opposite_is_no_gain(wide: Any, narrow: Any) -> None:
    sides = [gives([document({"Effect": "Allow", **each})]) for each in (wide, narrow)]

    assert gains(*sides) == ()
    assert gains(*sides[::-1])


# --- documents that are hard to compare -------------------------------------------------------------------------------

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
