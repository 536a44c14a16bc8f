"""What roles may do afterwards that they could not before, over all of their policies, what is dangerous first."""

import json
from typing import Any

import pytest

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ADMINISTRATOR,
    INLINE,
    POLICY,
    READ_ONLY,
    SECRET,
    UNKNOWN,
    attached,
    create,
    inline,
    resource,
    role,
    rows,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import document

ROLE = role(trust("team-a:app"))
ARN = "arn:aws:s3:::a/*"
STAYS = step("update", ROLE, ROLE)


def told(found: dict[str, Any], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(each[field] for field in fields) for each in rows(found, "permission")]


def managed(*statements: Any, name: str = "app", component: str = "app") -> dict[str, Any]:
    """Return a policy of a binding."""
    return resource(POLICY, name, {"name": name, "policy": json.dumps(document(*statements))}, component)


def test_nothing_is_said_twice_and_what_goes_is_lost(diff_json: DiffJson) -> None:
    old, new = managed(statement("s3:GetObject", ARN)), managed(statement())

    for sides, change in (((old, new), "gains"), ((new, old), "loses")):
        found = diff_json(STAYS, update(*sides))
        assert told(found, "change", "actions", "resources", "certainty") == [(change, ["*"], ["*"], "certain")]
        assert rows(found, "permissionsCannotTell") == []


def test_a_policy_of_others_that_was_read_is_told_by_its_content(diff_json: DiffJson) -> None:
    read = {READ_ONLY: document(statement("s3:GetObject", ARN))}
    found = diff_json(STAYS, create(attached(READ_ONLY)), managed=read)

    assert sorted(told(found, "policies", "actions")) == [([], ["s3:GetObject"]), ([READ_ONLY], [])]


def test_a_policy_of_another_binding_is_no_policy_of_others(diff_json: DiffJson) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    exists = {**managed(statement("s3:GetObject"), name="p", component="other"), "outputs": {"arn": arn}}
    found = diff_json(STAYS, step("update", exists, exists), create(attached(arn)))

    assert told(found, "role", "actions", "policies") == [("my-role", ["s3:GetObject"], [])]


BOUNDARY, OTHER = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("boundary", "other"))
# So many actions that not each can be compared with each.
MANY = [f"service{number}:Get{letter}*" for number in range(300) for letter in "abcdefgh"]
READ = {BOUNDARY: document(statement([*MANY, "s3:Get*"])), OTHER: document(statement("s3:*"))}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(BOUNDARY, None, ["gains"]), (None, BOUNDARY, ["loses"]), (BOUNDARY, OTHER, [])],
)
def test_a_boundary_that_changes(
    before: str | None, after: str | None, expected: list[str], diff_json: DiffJson
) -> None:
    own = inline(statement(["s3:GetObject", "iam:PassRole"]))
    sides = [with_inputs(ROLE, permissionsBoundary=each) for each in (before, after)]
    steps = step("update", *sides), step("update", own, own)

    (unread,) = rows(diff_json(*steps), "permissionsCannotTell")
    assert "was not read" in unread["details"][0]
    found = diff_json(*steps, managed=READ)
    assert rows(found, "permissionsCannotTell") == []
    assert told(found, "change", "actions", "certainty") == [(each, ["iam:PassRole"], "certain") for each in expected]


@pytest.mark.parametrize("state", [SECRET, UNKNOWN])
def test_a_document_that_changes_from_one_secret_to_another(state: str, diff_json: DiffJson) -> None:
    """The attack: two secrets look alike, so a policy that is one before and after had "no changes"."""
    secret = resource(INLINE, "a", {"name": "a", "role": "my-role", "policy": state})

    for reason, roles in (("policy", ["my-role"]), ("name", [])):
        found = diff_json(STAYS, step("update", secret, secret, diffReasons=[reason]))
        assert [each["role"] for each in rows(found, "permissionsCannotTell")] == roles


def test_a_policy_whose_role_is_not_in_the_preview(diff_json: DiffJson) -> None:
    """The attack: a preview has no step for a role that stays, and the policy that gives it everything was dropped."""
    change = update(managed(statement("s3:GetObject")), managed(statement()))
    found = diff_json(change, create(attached(ADMINISTRATOR)))

    assert sorted(told(found, "role", "actions", "policies")) == [("app", [], [ADMINISTRATOR]), ("app", ["*"], [])]
    assert [each["role"] for each in rows(found, "permissionsCannotTell")] == ["app"]


def test_two_roles_of_one_name_that_are_not_in_the_preview(diff_json: DiffJson) -> None:
    """The attack: a role of that name in another AWS account hid what the first one gains."""
    steps = []
    for number, actions in enumerate(("*", "s3:GetObject")):
        inputs = {"role": "same", "name": "a", "policy": json.dumps(document(statement(actions)))}
        provider = f"urn:pulumi:dev::irsa::pulumi:providers:aws::{number}::id"
        steps.append(create(resource(INLINE, f"a{number}", inputs, "", provider=provider)))

    assert told(diff_json(*steps), "role", "actions") == [("same", ["*"]), ("same", ["s3:GetObject"])]


EVERY_OBJECT = "arn:aws:s3:::*"
# What answers with a secret, though AWS calls most of it reading; `ssm:Get*` is several.
SECRETS = [
    *("secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParametersByPath", "ssm:Get*"),
    *("redshift:GetClusterCredentials", "lightsail:GetRelationalDatabaseMasterUserPassword", "ec2:GetPasswordData"),
    *("codeconnections:GetConnectionToken", "cognito-idp:DescribeUserPoolClient"),
]


# What https://docs.aws.amazon.com/service-authorization/latest/reference has as Read or List, and what it does not.
ROLES, KEYS = "arn:aws:iam::*:role/x", "arn:aws:kms:*:*:key/x"


@pytest.mark.parametrize(
    ("action", "resource_", "dangerous"),
    [
        *((action, ROLES, True) for action in ("iam:PassRole", "iam:*", "iam:P*", "iam:Create?ole")),
        *((action, ROLES, True) for action in ("sts:AssumeRole", "sts:A*", "sts:?ssumeRole", "sts:*")),
        ("sts:AssumeRoot", "arn:aws:iam::*:root", True),
        *((action, KEYS, True) for action in ("kms:Decrypt", "kms:*", "kms:GetParametersForImport")),
        *((action, "*", True) for action in ("*", "s3:*")),
        *((action, "*", False) for action in ("s3:GetObject", "s3:List*", "ec2:DescribeInstances", "iam:ListRoles")),
        *((action, "*", False) for action in ("dynamodb:Query", "dynamodb:Scan", "iam:Get*")),
        *((action, ARN, False) for action in ("s3:PutObject", "s3:*", "s3:DeleteObject")),
        # It reads and hides what it has read; and what the reference does not know may do anything.
        *((action, "*", True) for action in ("sqs:ReceiveMessage", "s3:GetWhatIsNew", "new-service:GetIt")),
        *((each, EVERY_OBJECT, True) for each in ("s3:DeleteObject", "s3:*", "s3:Put*", "s3:MakeWhatIsNew")),
        *((each, EVERY_OBJECT, False) for each in ("s3:GetObject", "s3:Get*")),
        *((each, "*", True) for each in SECRETS),
        *((each, "arn:aws:*:us-west-2:111122223333:*", True) for each in SECRETS),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-west-2:111122223333:secret:my-app-??????", False),
        ("ssm:GetParametersByPath", "arn:aws:ssm:us-west-2:111122223333:parameter/my-app/*", False),
        # Its answer is for the caller's own rights: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
        ("ecr:GetAuthorizationToken", "*", False),
    ],
)
def test_what_is_dangerous(action: str, resource_: str, dangerous: bool, diff_json: DiffJson) -> None:
    assert told(diff_json(create(inline(statement(action, resource_)))), "danger") == [
        ("dangerous" if dangerous else "",)
    ]


def test_another_role_by_a_policy_that_was_read(diff_json: DiffJson) -> None:
    other = "arn:aws:iam::444455556666:role/other"
    read = {READ_ONLY: document(statement("sts:AssumeRole", other))}
    found = diff_json(STAYS, create(attached(READ_ONLY)), managed=read, gate="gains")

    assert [other] in [each["resources"] for each in rows(found, "permission")]
    assert found["exitCode"] == 1
