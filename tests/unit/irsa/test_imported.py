"""What an import may differ in, against an evaluation of every request of a small world, and value by value.

IAM's decision: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation.differences import grants_nothing_new
from irsa.imported import not_as_declared
from irsa.rules.trust import ACTION
from irsa.rules.unknown import OUTPUT
from irsa.types import COMPARED, POD_IDENTITY_ASSOCIATION, POLICY, ROLE, SERVICE_ACCOUNT
from sandbox.sts_decision import trusts_service
from tests import world
from tests.unit.irsa.evaluation.page_example import SUB, document, statement
from tests.unit.irsa.evaluation.test_admission_properties import AUDIENCES, ISSUER, PROVIDER, best

ACTIONS = ("sts:AssumeRole", "sts:TagSession")
PRINCIPALS = (("AWS", "111122223333"), ("AWS", "444455556666"), ("Service", "pods.eks.amazonaws.com"))
KEYS, VALUES = ("aws:SourceArn", "aws:RequestTag/team"), ("x", "y")


@st.composite
def of_others(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=2))
    condition = {"StringEquals": {key: draw(st.sampled_from(VALUES)) for key in keys}} if keys else {}
    return {
        "Effect": draw(st.sampled_from(("Allow", "Allow", "Deny"))),
        "Principal": dict([draw(st.sampled_from(PRINCIPALS))]),
        "Action": draw(st.lists(st.sampled_from(ACTIONS), min_size=1, unique=True)),
        "Condition": condition,
    }


@st.composite
def of_tokens(draw: st.DrawFn) -> dict[str, Any]:
    """Return a statement for the tokens of the OIDC provider, as irsa or somebody else writes it."""
    names = draw(st.lists(st.sampled_from(("a:a", "a:b", "b:a")), min_size=1, unique=True))
    operator = draw(st.sampled_from(("StringEquals", "StringLike")))
    audience = draw(st.sampled_from(AUDIENCES[:2]))
    condition: dict[str, dict[str, Any]] = {"StringEquals": {f"{ISSUER}:aud": audience}}
    condition.setdefault(operator, {})[f"{ISSUER}:sub"] = [f"system:serviceaccount:{each}" for each in names]
    return world.of_tokens(PROVIDER, condition)


@st.composite
def changed(draw: st.DrawFn, statements: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one of several statements with one condition more or less, or with one action."""
    found = draw(st.sampled_from(statements))
    block = found["Condition"].get("StringEquals", {})
    if draw(st.booleans()):
        return {
            **found,
            "Action": draw(st.sampled_from(ACTIONS if "Federated" not in found["Principal"] else [ACTION])),
        }
    key = draw(st.sampled_from((*KEYS, *block)))
    rest = {name: value for name, value in block.items() if name != key}
    other = rest if key in block else {**block, key: draw(st.sampled_from(VALUES))}
    return {**found, "Condition": {**found["Condition"], "StringEquals": other} if other else {}}


@given(st.data())
def test_nobody_gets_in_and_nobody_is_shut_out(data: st.DataObject) -> None:
    """The attack: an import that rewrites who may assume a role, behind a statement that stays."""
    before = data.draw(st.lists(of_others() | of_tokens(), min_size=1, max_size=4))
    kept = data.draw(st.permutations(before) | st.lists(st.sampled_from(before), min_size=1, unique_by=json.dumps))
    added = data.draw(st.lists(changed(before) | of_others() | of_tokens(), max_size=2))
    documents = [document(*before), document(*kept, *added)]
    same = grants_nothing_new(json.dumps(documents[1]), json.dumps(documents[0]))
    event(f"{'same' if same else 'another'}, {len(added)} added")
    if same:
        # Each oracle knows one kind of principals: to that of services, an AWS account is a service like others.
        tokens = [
            document(*(each for each in side["Statement"] if "Federated" in each["Principal"])) for side in documents
        ]
        others = [
            document(
                *(
                    {**each, "Principal": {"Service": name}}
                    for each in side["Statement"]
                    for kind, name in each["Principal"].items()
                    if kind != "Federated"
                )
            )
            for side in documents
        ]
        for (_, name), action, *values in itertools.product(PRINCIPALS, ACTIONS, VALUES, VALUES):
            request = name, [action], dict(zip(KEYS, values, strict=True))
            assert trusts_service(others[0], *request) == trusts_service(others[1], *request), request
        for subject, audience in itertools.product(("a:a", "a:b", "b:a", "b:b"), AUDIENCES[:3]):
            assert best(tokens[0], subject, [audience]) == best(tokens[1], subject, [audience]), (subject, audience)


TEXT = st.sampled_from(("a", "b", "c; fix: x"))
DOCUMENT = st.builds(
    lambda actions: json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions}]}),
    st.lists(st.sampled_from(("s3:GetObject", "s3:PutObject", "ec2:RunInstances")), min_size=1, unique=True),
)
PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "assumeRolePolicy": st.builds(
        lambda name: json.dumps(document(statement(Condition={"StringEquals": {SUB: name}}))),
        st.sampled_from([f"system:serviceaccount:team-a:{each}" for each in "xyz"]),
    ),
    "description": TEXT,
    "disableSessionTags": st.booleans(),
    "path": st.sampled_from(("/", "/a/", "/b/")),
    "permissionsBoundary": TEXT,
    "policy": DOCUMENT,
    "roleArn": TEXT,
    "tags": st.dictionaries(TEXT, TEXT, max_size=2),
    "targetRoleArn": TEXT,
}
DEFAULTS = {"disableSessionTags": False, "path": "/"}


@given(st.sampled_from((ROLE, POLICY, POD_IDENTITY_ASSOCIATION)), st.data())
def test_each_property_that_differs_is_named(type_: str, data: st.DataObject) -> None:
    names = [*COMPARED[type_], "tags"]
    sides = [
        {name: data.draw(PROPERTIES[name]) for name in data.draw(st.lists(st.sampled_from(names), unique=True))}
        for _ in range(2)
    ]
    declared, there = sides
    expected = {name for name in names if name != "tags" if one(declared, name) != one(there, name)}
    tags, live = declared.get("tags", {}), there.get("tags", {})
    expected |= {
        f"tags[{json.dumps(key) if ';' in key else key}]" for key in {*tags, *live} if tags.get(key) != live.get(key)
    }
    outputs = {**there, "tagsAll": live}
    found = not_as_declared(type_, {**declared, "tagsAll": tags}, outputs)
    event("differs" if expected else "as declared")

    assert {each.place if each.place.startswith("tags") else each.place.partition(".")[0] for each in found} == expected
    # What is not known yet is no difference.
    assert not not_as_declared(type_, dict.fromkeys(names, OUTPUT), outputs)


def one(side: dict[str, Any], name: str) -> Any:
    value = side.get(name, DEFAULTS.get(name, ""))
    return {*json.loads(value)["Statement"][0]["Action"]} if name == "policy" and value else value


@pytest.mark.parametrize(
    ("declared", "there"),
    [
        ({"forceDetachPolicies": False}, {"forceDetachPolicies": True}),
        ({"tags": {}, "tagsAll": {"cost": "by default"}}, {"tagsAll": {}}),
        ({}, {"tagsAll": {"aws:cloudformation:stack-name": "x"}}),
        # Pulumi's own preview shows these.
        ({"maxSessionDuration": 3600, "description": "x"}, {"maxSessionDuration": 7200.0, "description": "y"}),
    ],
)
def test_what_does_not_count(declared: Any, there: Any) -> None:
    assert not_as_declared(ROLE, declared, there) == []


@pytest.mark.parametrize(
    ("declared", "there", "places"),
    [
        ({"a": "1", "b": "2"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "2"}, ["annotations[a]"]),
        ({}, {"a": "2"}, ["annotations[a]"]),
        ({}, {"meta.helm.sh/release-name": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}, []),
        ({}, {"kubernetes.io/x": "x", "app.kubernetes.io/managed-by": "Helm"}, []),
        # The attack: a prefix that ends as that of a tool, which is a domain of somebody else's, or no prefix at all.
        ({}, {"evilkubernetes.io/x": "x"}, ["annotations[evilkubernetes.io/x]"]),
        ({}, {"app.kubernetes.io.example.com/x": "x"}, ["annotations[app.kubernetes.io.example.com/x]"]),
        ({}, {"kubernetes.io": "x"}, ["annotations[kubernetes.io]"]),
        (
            {"meta.helm.sh/release-name": "y"},
            {"meta.helm.sh/release-name": "x"},
            ["annotations[meta.helm.sh/release-name]"],
        ),
    ],
)
def test_annotations_are_added_and_never_overwritten_or_removed(declared: Any, there: Any, places: Any) -> None:
    sides = [{"metadata": {"annotations": each}} for each in (declared, there)]

    assert [each.place for each in not_as_declared(SERVICE_ACCOUNT, sides[0], sides[1])] == places
    assert not_as_declared(SERVICE_ACCOUNT, {"metadata": OUTPUT}, sides[1]) == []


# What a trust policy has beside the tokens of clusters, and one change of it


def of_provider(provider: str, subject: str, number: str = "111122223333") -> dict[str, Any]:
    issuer, operator = provider.removesuffix("/"), "StringLike" if "*" in subject else "StringEquals"
    claims = {f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"}
    return world.of_tokens(f"arn:aws:iam::{number}:oidc-provider/{provider}", {operator: claims})


# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html
OF_COGNITO = world.of_tokens(
    "cognito-identity.amazonaws.com",
    {
        "StringEquals": {"cognito-identity.amazonaws.com:aud": "us-west-2:12345678-abcd-abcd-abcd-123456790ab"},
        "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
    },
)
OF_GOOGLE = world.of_tokens("accounts.google.com", {"StringEquals": {"accounts.google.com:sub": "1234567890"}})
OF_OTHERS: list[dict[str, Any]] = [
    of_provider("token.actions.githubusercontent.com", "repo:acme/web:*"),
    of_provider("token.actions.githubusercontent.com", "repo:acme/app:ref:refs/heads/main"),
    of_provider("gitlab.com", "project_path:acme/web:ref_type:branch:ref:main"),
    of_provider("acme.eu.auth0.com/", "auth0|1234"),
    of_provider("oidc.eks.us-west-2.amazonaws.com/id/OTHER", "system:serviceaccount:a:b", "444455556666"),
    OF_COGNITO,
    OF_GOOGLE,
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"},
]
OWN = of_provider(ISSUER, "system:serviceaccount:default:app")
FURTHER = of_provider("token.actions.githubusercontent.com", "repo:evil/any:*")


def with_one_change(value: Any) -> Iterator[Any]:
    """Yield a part of a document with each of its texts changed, and without each of its condition keys."""
    if isinstance(value, str):
        yield {"Allow": "Deny"}.get(value, f"{value}x")
    for key, each in value.items() if isinstance(value, dict) else ():
        yield from ({**value, key: changed} for changed in with_one_change(each))
        if ":" in key:
            yield {name: other for name, other in value.items() if name != key}


def one_difference(statements: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    yield [*statements, FURTHER]
    for index, each in enumerate(statements):
        others = statements[:index], statements[index + 1 :]
        yield [*others[0], *others[1]]
        yield from ([*others[0], changed, *others[1]] for changed in with_one_change(each))


def in_another_form(statements: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"""
    yield statements[::-1]
    yield [{"Sid": f"S{index}", **each} for index, each in enumerate(statements)]
    yield [{**each, "Action": [each["Action"]]} for each in statements]
    yield [{**each, "Action": each["Action"].upper()} for each in statements]


@pytest.mark.parametrize("other", OF_OTHERS, ids=lambda each: str(each["Principal"]))
def test_one_difference_counts_and_another_form_does_not(other: dict[str, Any]) -> None:
    """The attack: a statement for another kind of provider, GitHub's for one, counts as equal whatever it says."""
    declared = {"assumeRolePolicy": document(other, OWN)}

    def differs(statements: list[dict[str, Any]]) -> bool:
        return bool(not_as_declared(ROLE, declared, {"assumeRolePolicy": json.dumps(document(*statements))}))

    different = [differs(each) for each in one_difference([other, OWN])]
    assert all(different)
    assert len(different) > 10
    assert not any(differs(each) for each in in_another_form([other, OWN]))


WIDE = {**OWN, "Action": [OWN["Action"], "sts:TagSession"]}


@pytest.mark.parametrize(
    ("declared", "there", "same"),
    [
        # irsa's own statement beside one that admits the same Pods already.
        ([WIDE, OWN], [WIDE], True),
        ([OWN], [WIDE, OWN], False),
        ([OWN, WIDE], [OWN], False),
        ([{**WIDE, "Effect": "Deny"}, {**OWN, "Effect": "Deny"}], [{**WIDE, "Effect": "Deny"}], False),
        # One statement of two service accounts is another form than two statements: it is refused, and not judged.
        ([of_provider(ISSUER, "a:b"), of_provider(ISSUER, "a:c")], [of_provider(ISSUER, "a:b")], False),
    ],
)
def test_a_statement_that_another_one_covers_may_be_added(declared: Any, there: Any, same: bool) -> None:
    sides = [{"assumeRolePolicy": document(*each)} for each in (declared, there)]

    assert (not_as_declared(ROLE, *sides) == []) == same


@pytest.mark.parametrize(("value", "same"), [("vpc-1", True), ("${aws:PrincipalTag/vpc}", False)])
def test_another_version_counts_where_there_is_a_policy_variable(value: str, same: bool) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html"""
    new = document({**OWN, "Condition": {"StringEquals": {"aws:SourceVpc": value}}})
    old = {name: each for name, each in new.items() if name != "Version"}

    assert (not_as_declared(ROLE, {"assumeRolePolicy": new}, {"assumeRolePolicy": old}) == []) == same
