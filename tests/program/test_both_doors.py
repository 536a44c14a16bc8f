"""The stack file and the component: what one refuses the other refuses, whatever the value."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.argument_places import place_of
from config.located_mistake import LocatedMistake
from irsa.fields import FIELDS, KEYED_FIELDS, NESTED_FIELDS
from irsa.later import ArgumentMistakes
from irsa.rules.mistakes import Located, Place
from irsa.spec import parse
from program.examine import examine

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
BUCKET = "arn:aws:s3:::"
DOCUMENT: dict[str, Any] = {"Version": "2012-10-17", "Statement": [STATEMENT]}
CLUSTER = {"name": "my-cluster", "oidcIssuer": f"https://{PROVIDER.split('/', 1)[1]}", "oidcProviderArn": PROVIDER}
ARGS: dict[str, Any] = {
    "service_account": {"name": "my-app"},
    "oidc_provider_arns": [PROVIDER],
    "policy": {"document": DOCUMENT},
    "role_name": "my-role",
}
BINDING: dict[str, Any] = {
    "serviceAccount": {"name": "my-app"},
    "policy": {"document": DOCUMENT},
    "role": {"name": "my-role"},
}
# Of the component alone: a stack file says them for the whole stack, or at another place.
ELSEWHERE = {("role_arn",), ("oidc_provider_arns",), ("trust_policy_size_quota",), ("attached_policies_quota",)}
ARGUMENTS: list[Place] = [
    *((name,) for name in FIELDS if (name,) not in ELSEWHERE),
    *((name, inner) for name, fields in NESTED_FIELDS.items() for inner in fields),
]
WORDS = [
    "my-app",
    "team-a:*",
    "*:*",
    "/",
    "/team/",
    "a:b",
    "a_b",
    "A",
    "",
    "é",
    "日本",
    "x" * 65,
    "x" * 254,
    "aws:x",
    "a b",
]
ARNS = [
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "arn:aws:iam::111122223333:policy/my-policy",
    "arn:aws-cn:iam::111122223333:policy/p",
    "arn:aws:iam::1:policy/p",
]
TEXTS = st.one_of(st.sampled_from([*WORDS, *ARNS]), st.text(alphabet="aZ09-_.:/*? é;\n", max_size=12))
PLAIN = st.one_of(TEXTS, st.booleans(), st.integers(-1, 50_000), st.sampled_from([3600.5, 600, 3600, 43200, 43201]))
VALUES = st.one_of(
    PLAIN,
    st.none(),
    st.lists(TEXTS, max_size=3),
    st.sampled_from([["role"], ["policy"], ["attachments", "inlinePolicies"], ["serviceAccount"], ["nothing"]]),
    st.dictionaries(TEXTS, PLAIN, max_size=2),
    st.sampled_from([DOCUMENT, {**DOCUMENT, "Statement": {**STATEMENT, "Action": "s3"}}, {**DOCUMENT, "Id": 5}]),
    st.sampled_from(
        [{"StringEquals": {"aws:SourceVpc": "vpc-1"}}, {"StringEqual": {"a": "b"}}, {"Bool": {"x:sub": 1}}]
    ),
    st.sampled_from([[{"Effect": "Allow", "Principal": "*", "Action": "sts:TagSession"}], [{"Effect": "Allow"}], [5]]),
)
# Values of the right type, so that rules are reached and not the type alone.
LISTS = st.lists(TEXTS, max_size=3)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=2)
RIGHT_TYPES: dict[str, st.SearchStrategy[Any]] = {
    "subjects": LISTS,
    "image_pull_secrets": LISTS,
    "import_existing": LISTS,
    "labels": MAPS,
    "annotations": MAPS,
    "tags": MAPS,
    "permissions_boundary": st.sampled_from(ARNS),
    "max_session_duration": st.integers(3500, 43_300),
    "token_expiration": st.integers(500, 100_000),
}
CASES = st.sampled_from(ARGUMENTS).flatmap(
    lambda argument: st.tuples(st.just(argument), st.one_of(RIGHT_TYPES.get(str(argument[-1]), TEXTS), VALUES))
)


def changed(value: dict[str, Any], place: Place, new: Any) -> dict[str, Any]:
    """Return the value with a new one at a place."""
    result = copy.deepcopy(value)
    inner: Any = result
    for part in place[:-1]:
        inner = inner.setdefault(part, {})
    inner[place[-1]] = new
    return result


def component_mistakes(args: dict[str, Any]) -> Sequence[Located]:
    try:
        parse("my-app", args)
    except ArgumentMistakes as error:
        return error.mistakes
    return ()


def stack_file_mistakes(binding: dict[str, Any]) -> Sequence[LocatedMistake]:
    values = {"cluster": CLUSTER, "bindings": {"my-app": binding}}
    return examine(values, Path("/nowhere"), "us-west-2").mistakes


@settings(max_examples=1000)
@given(case=CASES)
@example((("service_account", "labels"), {"a b": "c"}))
@example((("audience",), ""))
def test_one_argument(case: tuple[Place, Any]) -> None:
    """Protects both front doors: a value of any kind in any argument is taken by both, or refused at the same place."""
    argument, value = case
    refused = component_mistakes(changed(ARGS, argument, value))
    refused_too = stack_file_mistakes(changed(BINDING, place_of(argument), value))

    places = {place_of(place) for place, _ in refused}
    places_too = {mistake.place[2:] for mistake in refused_too}
    assert places == places_too, f"component: {refused or 'takes it'}\nstack file: {refused_too or 'takes it'}"


@settings(max_examples=150)
@given(
    what=st.sampled_from(sorted(KEYED_FIELDS)), key=TEXTS, value=st.one_of(st.sampled_from([*ARNS, DOCUMENT]), PLAIN)
)
def test_one_policy(what: str, key: str, value: Any) -> None:
    """Protects both front doors: attached and inline policies, their names and documents."""
    refused = component_mistakes({**ARGS, what: {key if what == "inline_policies" else "key": value}})
    if what == "inline_policies":
        refused_too = stack_file_mistakes({**BINDING, "inlinePolicies": {key: {"document": value}}})
    else:
        refused_too = stack_file_mistakes({**BINDING, "policyArns": [value]})

    assert bool(refused) == bool(refused_too), (
        f"component: {refused or 'takes it'}\nstack file: {refused_too or 'takes it'}"
    )


@pytest.mark.parametrize(
    ("args", "binding"),
    [
        ({"role_name_prefix": "my-"}, {"role": {"name": "my-role", "namePrefix": "my-"}}),
        ({"service_account": {"name": "a", "create": False, "labels": {"a": "b"}}},
         {"serviceAccount": {"name": "a", "create": False, "labels": {"a": "b"}}}),
        ({"service_account": {"name": "a", "create": False}, "import_existing": ["serviceAccount"]},
         {"serviceAccount": {"name": "a", "create": False}, "import": ["serviceAccount"]}),
        ({"role_arn": "arn:aws:iam::444455556666:role/r"}, {"role": {"arn": "arn:aws:iam::444455556666:role/r"}}),
        ({"subjects": [f"ns-{i}:{'x' * 60}" for i in range(60)]},
         {"trust": {"subjects": [f"ns-{i}:{'x' * 60}" for i in range(60)]}}),
        ({"policy_arns": {f"p{i}": f"arn:aws:iam::aws:policy/P{i}" for i in range(11)}},
         {"policyArns": [f"arn:aws:iam::aws:policy/P{i}" for i in range(11)]}),
        ({"tags": {f"t{i}": "" for i in range(51)}}, {"role": {"name": "r", "tags": {f"t{i}": "" for i in range(51)}}}),
        ({"policy": {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": f"{BUCKET}{'x' * 6200}"}]}}},
         {"policy": {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": f"{BUCKET}{'x' * 6200}"}]}}}),
        ({"inline_policies": {"a": {**DOCUMENT, "Statement":
            [{**STATEMENT, "Resource": f"{BUCKET}{'x' * 11000}"}]}}},
         {"inlinePolicies": {"a": {"document": {**DOCUMENT, "Statement": [
             {**STATEMENT, "Resource": f"{BUCKET}{'x' * 11000}"}]}}}}),
    ],
)  # fmt: skip
def test_what_excludes_or_exceeds(args: dict[str, Any], binding: dict[str, Any]) -> None:
    """Protects both front doors: rules between arguments, and quotas, are the same behind both."""
    assert component_mistakes({**ARGS, **args}), json.dumps(args)
    assert stack_file_mistakes({**BINDING, **binding}), json.dumps(binding)


@pytest.mark.parametrize(
    ("args", "binding"),
    [
        ({"tags": {"Team": "a", "team": "b"}}, {"role": {"tags": {"Team": "a", "team": "b"}}}),
        ({"tags": {"AWS:team": "a"}}, {"role": {"tags": {"AWS:team": "a"}}}),
        ({"tags": {"team": "aws:a"}}, {"role": {"tags": {"team": "aws:a"}}}),
        (
            {"policy": {"document": DOCUMENT, "tags": {"aWs:team": "a"}}},
            {"policy": {"document": DOCUMENT, "tags": {"aWs:team": "a"}}},
        ),
        (
            {"trust_conditions": {"StringEquals": {"aws:PrincipalAccount": 1227433179}}},
            {"trust": {"conditions": {"StringEquals": {"aws:PrincipalAccount": 1227433179}}}},
        ),
        (
            {"trust_statements": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["*", 12]}}]},
            {
                "trust": {
                    "statements": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["*", 12]}}]
                }
            },
        ),
        (
            {"inline_policies": {"p": {**DOCUMENT, "Statement": {**STATEMENT, "Condition": {"StringLike": {"k": 1}}}}}},
            {
                "inlinePolicies": {
                    "p": {
                        "document": {
                            **DOCUMENT,
                            "Statement": {**STATEMENT, "Condition": {"StringLike": {"k": 1}}},
                        }
                    }
                }
            },
        ),
        (
            {"trust_conditions": {"StringLike": {"x:sub": "a"}}},
            {"trust": {"conditions": {"StringLike": {"x:${claim}": "a"}}}},
        ),
    ],
)
def test_what_iam_refuses_or_never_matches(args: dict[str, Any], binding: dict[str, Any]) -> None:
    """Refuses, behind both doors, tags that are one for IAM or are AWS's own, and numbers that were account IDs."""
    values = {"cluster": CLUSTER, "variables": {"claim": "sub"}, "bindings": {"my-app": {**BINDING, **binding}}}
    assert component_mistakes({**ARGS, **args}), json.dumps(args)
    assert examine(values, Path("/nowhere"), "us-west-2").mistakes, json.dumps(binding)


def test_tags_of_a_policy_may_differ_in_case_only() -> None:
    """Protects what IAM takes: the keys of a policy's tags are case-sensitive."""
    policy = {"document": DOCUMENT, "tags": {"Team": "a", "team": "b"}}
    assert not component_mistakes({**ARGS, "policy": policy})
    assert not stack_file_mistakes({**BINDING, "policy": policy})


def test_a_tag_of_the_defaults_counts() -> None:
    """Refuses a role's tag that is the same for IAM as one of `irsa:defaults`, which are merged into the role's."""
    binding = {**BINDING, "role": {"name": "my-role", "tags": {"team": "b"}}}
    values = {"cluster": CLUSTER, "defaults": {"tags": {"Team": "a"}}, "bindings": {"my-app": binding}}
    (mistake,) = examine(values, Path("/nowhere"), "us-west-2").mistakes
    assert mistake.place == ("bindings", "my-app", "role", "tags", "team")

    values = {"cluster": CLUSTER, "defaults": {"tags": {"Team": "a", "team": "b"}}, "bindings": {"my-app": BINDING}}
    (mistake,) = examine(values, Path("/nowhere"), "us-west-2").mistakes
    assert mistake.place == ("defaults", "tags", "team")
