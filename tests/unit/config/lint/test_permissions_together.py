"""Lint rules that judge all policy documents of a binding together: what each gives, and what takes it away.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notresource.html, _notaction.html;
reference_policies_evaluation-logic_policy-eval-denyallow.html: "an explicit deny in any of these policies overrides the
allow"; reference_policies_condition-keys.html: which keys a request has, and who chooses their values.
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET
from irsa_program.examine import examine

BUCKET = ["arn:aws:s3:::my-bucket", "arn:aws:s3:::my-bucket/*"]
WRITES = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENIES = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
LETTERS = [f"arn:aws:s3:::{letter}*" for letter in string.ascii_lowercase]
NEEDS_TLS = {"Bool": {"aws:SecureTransport": "true"}}
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
STATEMENT = "policy.document.Statement"


def found(folder: Path, rule: str, *statements: Any, **others: Any) -> list[str]:
    """Return the places of a rule's warnings about a binding with these statements."""
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    binding = {"serviceAccount": {"name": "app"}, "policy": {"name": "p", "document": document}, **others}
    examined = examine({"cluster": {"name": "c"}, "bindings": {"app": binding}}, folder, "us-west-2")
    warnings = [each for each in examined.warnings if each.rule == rule]
    return [".".join(map(str, each.place[2:])) for each in warnings]


def inline(*statements: Any) -> dict[str, Any]:
    return {"inlinePolicies": {"i": {"document": {"Version": "2012-10-17", "Statement": list(statements)}}}}


@pytest.mark.parametrize(
    ("statement", "element"),
    [
        # PutObject: Write, object*; PutMetricData: Write, no resource type.
        ({"Action": "s3:PutObject", "Resource": ["arn:aws:s3:::b/*", "*"]}, "Resource"),
        ({"Action": ["s3:Get*", "S3:Put*"], "Resource": "*"}, "Resource"),
        ({"Action": "s3:PutObject", "Resource": ["arn:aws:s3:::b/*"]}, None),
        ({"Action": "s3:PutObject", "Resource": "*", "Condition": {"Bool": {"aws:x": "true"}}}, None),
        ({"Action": "s3:PutObject", "Resource": "*", "Effect": "Deny"}, None),
        ({"Action": "cloudwatch:PutMetricData", "Resource": "*"}, None),
        ({"Action": "s3:GetObject", "Resource": "*"}, None),
        ({"NotAction": "iam:*", "Resource": "*"}, "Resource"),
        ({"Action": "*", "Resource": "*"}, "Resource"),
        ({"Action": "s3:*", "NotResource": BUCKET}, "NotResource"),
        ({"Action": "s3:PutObject", "NotResource": "arn:aws:s3:::my-bucket/*"}, "NotResource"),
        ({"NotAction": "iam:*", "NotResource": BUCKET}, "NotResource"),
        ({"NotAction": "iam:*", "Resource": "arn:aws:s3:::*"}, "Resource"),
        ({"Action": "s3:*", "Resource": LETTERS}, "Resource"),
        ({"Action": "s3:PutObject", "Resource": "arn:aws:s3:::*"}, "Resource"),
        ({"Action": "*", "Resource": "arn:aws:s3:::*"}, "Resource"),
        ({"Action": "dynamodb:PutItem", "Resource": "arn:aws:dynamodb:*:*:table/*"}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": NEEDS_TLS}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "a"}}}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringLike": {"aws:UserAgent": "my-app*"}}}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:Referer": "x"}}}, "Resource"),
        ({"Action": "ec2:*", "Resource": "*", "Condition": {"Null": {"aws:RequestTag/a": "false"}}}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringLikeIfExists": {"aws:SourceVpc": "*"}}}, "Resource"),
        # All but what NotResource names is nothing here; these name their resources, or a condition really limits them.
        ({"Action": "dynamodb:PutItem", "NotResource": "arn:aws:dynamodb:*:*:table/*"}, None),
        ({"Action": "s3:GetObject", "NotResource": BUCKET}, None),
        ({"Action": "s3:*", "Resource": LETTERS[:-1]}, None),
        ({"Action": "s3:*", "Resource": [*BUCKET, "arn:aws:s3:::mybucket/*"]}, None),
        ({"Action": "dynamodb:PutItem", "Resource": "arn:aws:dynamodb:us-west-2:*:table/*"}, None),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/a": "b"}}}, None),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, None),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}*"}, None),
    ],
)
def test_write_everything(tmp_path: Path, statement: Mapping[str, Any], element: str | None) -> None:
    """Protects from every spelling of "all resources", and whoever names theirs from a warning.

    Levels and types: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html and others.
    """
    places = found(tmp_path, "write-everything", {"Effect": "Allow", **statement})
    assert places == ([f"{STATEMENT}.0.{element}"] if element else [])


@pytest.mark.parametrize(
    ("denies", "silent"),
    [
        (DENIES, True),
        ({**DENIES, "Action": "*"}, True),
        ({**DENIES, "Resource": ["arn:aws:s3:*:*:*", "arn:aws:s3-object-lambda:*:*:*"]}, True),
        # It leaves access points, whose ARNs have a region and an AWS account.
        ({**DENIES, "Resource": "arn:aws:s3:::*"}, False),
        ({"Effect": "Deny", "Action": "s3:*", "NotResource": BUCKET}, True),
        ({"Effect": "Deny", "NotAction": ["s3:Get*", "s3:List*"], "Resource": "*"}, True),
        ({**DENIES, "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}, True),
        ({**DENIES, "Action": "s3:Delete*"}, False),
        ({**DENIES, "Resource": BUCKET}, False),
        ({**DENIES, "Condition": WITHOUT_TLS}, False),
        ({**DENIES, "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}, False),
    ],
)
def test_a_deny_in_another_document(tmp_path: Path, denies: Mapping[str, Any], silent: bool) -> None:
    assert found(tmp_path, "write-everything", WRITES) == [f"{STATEMENT}.0.Resource"]
    assert bool(found(tmp_path, "write-everything", WRITES, **inline(denies))) is not silent


@pytest.mark.parametrize(
    ("denies", "silent"),
    [
        ({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, False),
        ({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}, False),
        ({"Effect": "Deny", "NotAction": "s3:Get*", "Resource": "*"}, True),
    ],
)
def test_what_remains_of_all_actions(tmp_path: Path, denies: Mapping[str, Any], silent: bool) -> None:
    places = found(tmp_path, "write-everything", {**WRITES, "Action": "*"}, denies)
    assert places == ([] if silent else [f"{STATEMENT}.0.Resource"])


def test_two_documents_that_give_everything_together(tmp_path: Path) -> None:
    first, second = ({**WRITES, "Resource": half} for half in (LETTERS[:13], LETTERS[13:]))
    other = {**WRITES, "Resource": BUCKET}
    places = found(tmp_path, "write-everything", first, other, **inline(second))
    assert places == [f"{STATEMENT}.0.Resource", "inlinePolicies.i.document.Statement.0.Resource"]


def test_what_cannot_be_seen_silences_nothing(tmp_path: Path) -> None:
    others = {
        **inline({**DENIES, "Action": ["s3:*", SECRET]}),
        "policyArns": ["arn:aws:iam::aws:policy/AWSDenyAll"],
        "role": {"permissionsBoundary": "arn:aws:iam::111122223333:policy/b"},
    }
    assert found(tmp_path, "write-everything", WRITES, **others) == [f"{STATEMENT}.0.Resource"]


@pytest.mark.parametrize(
    ("statement", "element"),
    [
        *(({"Action": each, "Resource": "*"}, "Resource") for each in ("iam:PassRole", "iam:*", "IAM:pass*", "*")),
        ({"Action": ["s3:GetObject", "iam:PassRole"], "Resource": "*"}, "Resource"),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::111122223333:role/*"}, "Resource"),
        ({"Action": "iam:PassRole", "Resource": "arn:${partition}:iam::${account}:role/*"}, "Resource"),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::999988887777:*"}, "Resource"),
        *(
            ({"Action": "iam:PassRole", "Resource": f"arn:aws:iam::111122223333:{each}"}, None)
            for each in ("role/team/*", "role/app", "user/*")
        ),
        ({"Action": "iam:GetRole", "Resource": "*"}, None),
        ({"Action": "iam:PassRole", "Resource": "*", "Effect": "Deny"}, None),
        ({"NotAction": "s3:*", "Resource": "*"}, "Resource"),
        ({"NotAction": "iam:*", "Resource": "*"}, None),
        ({"Action": "iam:PassRole", "NotResource": "arn:aws:iam::*:role/admin"}, "NotResource"),
        ({"NotAction": "s3:*", "NotResource": "arn:aws:iam::*:role/admin"}, "NotResource"),
        ({"Action": "iam:PassRole", "Resource": "*", "Condition": NEEDS_TLS}, "Resource"),
        (
            {
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}, **NEEDS_TLS},
            },
            "Resource",
        ),
        (
            {"Action": "iam:*", "Resource": [f"arn:aws:iam::*:role/{each}*" for each in string.ascii_lowercase]},
            "Resource",
        ),
        ({"Action": "iam:PassRole", "NotResource": "arn:aws:iam::*:role/*"}, None),
        ({"NotAction": "iam:Pass*", "NotResource": "arn:aws:iam::*:role/admin"}, None),
        ({"Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:ResourceTag/a": "b"}}}, None),
    ],
)
def test_pass_any_role(tmp_path: Path, statement: Mapping[str, Any], element: str | None) -> None:
    """Protects from a role that acts as any other by a service, in every spelling; to whom it passes is no limit.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    places = found(tmp_path, "pass-any-role", {"Effect": "Allow", **statement})
    assert places == ([f"{STATEMENT}.0.{element}"] if element else [])


@pytest.mark.parametrize(
    ("denies", "silent"),
    [
        ({"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}, True),
        ({"Effect": "Deny", "Action": "iam:*", "NotResource": "arn:aws:iam::*:role/app"}, True),
        ({"Effect": "Deny", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/admin*"}, False),
        (
            {
                "Effect": "Deny",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringNotEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            },
            False,
        ),
    ],
)
def test_a_deny_of_passing_roles(tmp_path: Path, denies: Mapping[str, Any], silent: bool) -> None:
    allows = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    assert bool(found(tmp_path, "pass-any-role", allows, **inline(denies))) is not silent


@pytest.mark.parametrize("policy", ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"])
@pytest.mark.parametrize(
    ("denies", "silent"),
    [
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, True),
        ({"Effect": "Deny", "NotAction": "s3:Get*", "Resource": "*"}, True),
        ({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": WITHOUT_TLS}, False),
        ({"Effect": "Deny", "Action": ["s3:*", "iam:PassRole"], "Resource": "*"}, False),
    ],
)
def test_administrator_access(tmp_path: Path, policy: str, denies: Mapping[str, Any], silent: bool) -> None:
    arns = {"policyArns": [f"arn:aws:iam::aws:policy/{policy}"]}
    places = found(tmp_path, "administrator-access", denies, **arns)
    assert places == ([] if silent else ["policyArns.0"])
