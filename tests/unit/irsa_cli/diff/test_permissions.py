"""What roles may do afterwards that they could not before, over all of their policies, what is dangerous first."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.diff.chains import add_chains
from irsa_cli.diff.lines import permission_rows
from irsa_cli.diff.permissions import PermissionChange, permission_changes, policies_of_others
from irsa_cli.diff.rights import Rights, Undecided
from irsa_cli.diff.worlds import before_and_after
from tests.unit.irsa_cli.diff.previews import (
    ADMINISTRATOR,
    ATTACHMENT,
    INLINE,
    POLICY,
    READ_ONLY,
    SECRET,
    diff,
    preview,
    resource,
    role,
    step,
    trust,
)
from tests.world import document

ROLE = role(trust("team-a:app"))
ARN = "arn:aws:iam::111122223333:role/my-role"
ACTIONS, RESOURCES = ["s3:GetObject", "s3:PutObject", "iam:PassRole"], ["arn:aws:s3:::a/x", "arn:aws:s3:::b/x"]


def statement(actions: Any, resources: Any = "*", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": actions, "Resource": resources}


def policy(type_: str, name: str, *statements: Any) -> dict[str, Any]:
    return resource(type_, name, {"name": name, "role": "my-role", "policy": json.dumps(document(*statements))})


def attachment(arn: str) -> dict[str, Any]:
    return resource(ATTACHMENT, arn, {"role": "my-role", "policyArn": arn})


def changes(*steps: Any) -> tuple[list[PermissionChange], list[Undecided]]:
    found = preview(*steps)
    return permission_changes(*before_and_after([], [*found.steps, *preview(step("same", ROLE, ROLE)).steps]))


def of(*steps: Any) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    found, undecided = changes(step("update", ROLE, ROLE), *steps)
    assert undecided == []
    return [(each.change, each.actions or (each.policy,), each.resources) for each in found]


def test_who_may_assume_a_role_that_may_do_everything_is_named() -> None:
    found, _ = changes(step("update", ROLE, ROLE), step("create", None, policy(POLICY, "app", statement("*"))))
    small = PermissionChange("r", "", "gains", ("s3:GetObject",), ("arn:aws:s3:::a/*",))
    lines = [" ".join(row.pieces) for row in permission_rows(diff(permissions=[*found, small]))]

    assert lines == ["my-role gains * on * (assumed by team-a/app)", "r gains s3:GetObject on arn:aws:s3:::a/*"]


def test_nothing_is_said_twice() -> None:
    old = policy(POLICY, "app", statement("s3:GetObject", "arn:aws:s3:::a/*"))
    found, _ = changes(step("update", ROLE, ROLE), step("update", old, policy(POLICY, "app", statement("*"))))

    assert [(each.actions, each.resources, each.extent) for each in found] == [(("*",), ("*",), "all")]


def test_a_policy_of_others_that_was_read_is_told_by_its_content() -> None:
    found = preview(step("update", ROLE, ROLE), step("create", None, attachment(READ_ONLY)))
    both = before_and_after([], found.steps)
    read = {READ_ONLY: document(statement("s3:GetObject", "arn:aws:s3:::a/*"))}

    assert policies_of_others(*both) == [READ_ONLY]
    assert [
        (each.actions, each.policy, each.read)
        for each in permission_changes(*(each.with_read(read) for each in both))[0]
    ] == [
        (("s3:GetObject",), "", False),
        ((), READ_ONLY, True),
    ]


def test_a_policy_of_another_binding_is_no_policy_of_others() -> None:
    own = resource(POLICY, "other", {"name": "p", "policy": json.dumps(document(statement("s3:GetObject")))}, "other")
    arn = "arn:aws:iam::111122223333:policy/p"
    exists = {**own, "outputs": {"arn": arn}}
    steps = [step("update", ROLE, ROLE), step("update", exists, exists), step("create", None, attachment(arn))]

    assert [(each.role, each.actions, each.policy) for each in changes(*steps)[0]] == [
        ("my-role", ("s3:GetObject",), "")
    ]


BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"


@pytest.mark.parametrize(("before", "after"), [(BOUNDARY, None), (None, BOUNDARY), (BOUNDARY, f"{BOUNDARY}2")])
def test_a_boundary_that_changes(before: str | None, after: str | None) -> None:
    put = policy(INLINE, "a", statement(["s3:GetObject", "iam:PassRole"]))
    sides = [{**ROLE, "inputs": {**ROLE["inputs"], "permissionsBoundary": each}} for each in (before, after)]
    found = preview(step("update", *sides), step("update", put, put))
    both = before_and_after([], found.steps)
    read = {BOUNDARY: document(statement("s3:GetObject")), f"{BOUNDARY}2": document(statement("s3:*"))}
    expected = {(BOUNDARY, None): ["gains"], (None, BOUNDARY): ["loses"]}.get((before, after), [])

    _, undecided = permission_changes(*both)
    assert [each.reason.partition(",")[0] for each in undecided] == ["its permissions boundary"]
    known, undecided = permission_changes(*(each.with_read(read) for each in both))
    assert undecided == []
    assert [(each.change, each.actions) for each in known] == [(each, ("iam:PassRole",)) for each in expected]


DOCUMENTS = st.lists(
    st.builds(
        statement,
        st.lists(st.sampled_from(ACTIONS), min_size=1, unique=True),
        st.lists(st.sampled_from(RESOURCES), min_size=1, unique=True),
        st.sampled_from(["Allow", "Allow", "Deny"]),
    ),
    max_size=3,
)


def given_by(statements: list[Any]) -> set[tuple[str, str]]:
    effects = {
        pair: {each["Effect"] for each in statements if pair[0] in each["Action"] and pair[1] in each["Resource"]}
        for pair in itertools.product(ACTIONS, RESOURCES)
    }
    return {pair for pair, those in effects.items() if those == {"Allow"}}


@given(DOCUMENTS, DOCUMENTS)
def test_gains_and_losses_are_what_iam_gives_and_takes(old: list[Any], new: list[Any]) -> None:
    """Protects the first line: against IAM's rule that a Deny wins, over every action and resource of a small world."""
    found = of(step("update", policy(INLINE, "a", *old), policy(INLINE, "a", *new)))
    told = {
        change: {pair for each, *sides in found if each == change for pair in itertools.product(*sides)}
        for change in ("gains", "loses")
    }

    assert told == {"gains": given_by(new) - given_by(old), "loses": given_by(old) - given_by(new)}


def limited(condition: Any, actions: Any = "iam:PassRole") -> dict[str, Any]:
    return {**statement(actions), **({"Condition": condition} if condition else {})}


SERVICE = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
REGION = {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ([limited(SERVICE)], [limited(None)], "iam:PassedToService"),
        (
            [limited(SERVICE)],
            [limited({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})],
            "iam:PassedToService",
        ),
        ([statement("*"), {**limited(REGION, "*"), "Effect": "Deny"}], [statement("*")], "aws:RequestedRegion"),
        (
            [limited({"StringEquals": {"sts:ExternalId": "x"}}, "sts:AssumeRole")],
            [limited(None, "sts:AssumeRole")],
            "sts:ExternalId",
        ),
        (
            [statement("s3:GetObject", "arn:aws:s3:::a/${aws:PrincipalTag/team}/*")],
            [statement("s3:GetObject", "arn:aws:s3:::a/${aws:PrincipalTag/other}/*")],
            "${aws:PrincipalTag/other}",
        ),
    ],
)
def test_a_limit_on_what_the_caller_chooses_is_not_dropped_unseen(old: Any, new: Any, key: str) -> None:
    """The attack: a Deny of all other regions goes, and whoever asks could choose the region before, so "nothing"."""
    found, undecided = changes(
        step("update", ROLE, ROLE), step("update", policy(INLINE, "a", *old), policy(INLINE, "a", *new))
    )

    assert [each for each in found if each.change == "gains"] == []
    assert [key in each.reason for each in undecided] == [True]


def test_a_boundary_of_a_thousand_actions_is_about_those_of_the_role() -> None:
    own = policy(INLINE, "a", statement(["s3:GetObject", "s3:PutObject"]))
    sides = [{**ROLE, "inputs": {**ROLE["inputs"], "permissionsBoundary": each}} for each in (None, BOUNDARY)]
    found = preview(step("update", *sides), step("update", own, own))
    actions = [f"service{number}:Get{letter}*" for number in range(300) for letter in "abcdefgh"]
    read = {BOUNDARY: document(statement([*actions, "s3:Get*", "s3:List*"]))}

    known, undecided = permission_changes(*(each.with_read(read) for each in before_and_after([], found.steps)))
    assert undecided == []
    assert [(each.change, each.actions, each.extent) for each in known] == [("loses", ("s3:PutObject",), "all")]


@pytest.mark.parametrize("state", [SECRET, "04da6b54-80e4-46f7-96ec-b56ff0331ba9"])
def test_a_document_that_changes_from_one_secret_to_another(state: str) -> None:
    """The attack: two secrets look alike, so a policy that is one before and after had "no changes"."""
    secret = resource(INLINE, "a", {"name": "a", "role": "my-role", "policy": state})
    _, undecided = changes(step("update", ROLE, ROLE), step("update", secret, secret, diffReasons=["policy"]))
    _, same = changes(step("update", ROLE, ROLE), step("update", secret, secret, diffReasons=["name"]))

    assert ([each.role for each in undecided], same) == (["my-role"], [])


def test_a_policy_whose_role_is_not_in_the_preview() -> None:
    """The attack: a preview has no step for a role that stays, and the policy that gives it everything was dropped."""
    old, new = policy(POLICY, "app", statement("s3:GetObject")), policy(POLICY, "app", statement("*"))
    found = preview(step("update", old, new), step("create", None, attachment(ADMINISTRATOR)))
    known, undecided = permission_changes(*before_and_after([], found.steps))

    assert [(each.role, each.actions, each.policy) for each in known] == [
        ("app", ("*",), ""),
        ("app", (), ADMINISTRATOR),
    ]
    assert [each.role for each in undecided] == ["app"]


def test_two_roles_of_one_name_that_are_not_in_the_preview() -> None:
    """The attack: a role of that name in another AWS account hid what the first one gains."""
    steps = []
    for number, actions in enumerate(("*", "s3:GetObject")):
        inputs = {"role": "same", "name": "a", "policy": json.dumps(document(statement(actions)))}
        provider = {"provider": f"urn:pulumi:dev::irsa::pulumi:providers:aws::{number}::id"}
        steps.append(step("create", None, resource(INLINE, f"a{number}", inputs, "", **provider)))
    known, _ = permission_changes(*before_and_after([], preview(*steps).steps))

    assert [(each.role, each.actions) for each in known] == [("same", ("*",)), ("same", ("s3:GetObject",))]


# What https://docs.aws.amazon.com/service-authorization/latest/reference has as Read or List, and what it does not.
@pytest.mark.parametrize(
    ("action", "resource_", "dangerous"),
    [
        *((action, "arn:aws:iam::*:role/x", True) for action in ("iam:PassRole", "iam:*", "iam:P*", "iam:Create?ole")),
        *(
            (action, "arn:aws:iam::*:role/x", True)
            for action in ("sts:AssumeRole", "sts:A*", "sts:?ssumeRole", "sts:*")
        ),
        *((action, "arn:aws:kms:*:*:key/x", True) for action in ("kms:Decrypt", "kms:*", "kms:GetParametersForImport")),
        *((action, "*", True) for action in ("*", "s3:PutObject", "s3:*", "dynamodb:DeleteItem", "sqs:SendMessage")),
        *((action, "*", False) for action in ("s3:GetObject", "s3:List*", "ec2:DescribeInstances", "iam:ListRoles")),
        *((action, "*", False) for action in ("dynamodb:Query", "dynamodb:Scan", "s3:HeadObject", "iam:Get*")),
        *((action, "arn:aws:s3:::a/*", False) for action in ("s3:PutObject", "s3:*", "s3:DeleteObject")),
    ],
)
def test_what_is_dangerous(action: str, resource_: str, dangerous: bool) -> None:
    (found,), _ = changes(
        step("update", ROLE, ROLE), step("create", None, policy(INLINE, "a", statement(action, resource_)))
    )

    assert found.dangerous is dangerous


def test_chains_follow_what_was_read() -> None:
    other = "arn:aws:iam::444455556666:role/other"
    found = preview(step("update", ROLE, ROLE), step("create", None, attachment(READ_ONLY)))
    read = {READ_ONLY: document(statement("sts:AssumeRole", other))}
    both = [each.with_read(read) for each in before_and_after([], found.steps)]

    found_rights = Rights()
    add_chains(found_rights, *both)

    assert [each.then for each in found_rights.gains] == [other]
