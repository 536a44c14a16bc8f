"""Lint rules that judge all policy documents of a binding together: what each gives, and what takes it away.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notresource.html, _notaction.html;
reference_policies_evaluation-logic_policy-eval-denyallow.html: "an explicit deny in any of these policies overrides the
allow"; reference_policies_condition-keys.html: which keys a request has, and who chooses their values.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from irsa.evaluation.lint import actions
from irsa.evaluation.lint.managed_policies import aws_policies
from irsa.rules.leaves import items_of
from irsa.rules.unknown import SECRET
from irsa_config.lint.attached_policies import WITH_SESSION_TAG
from tests.unit.config.lint.scene import APP, inline, places, policy, warnings
from tests.unit.irsa.add_ons.every_add_on import aws_managed

BUCKET = ["arn:aws:s3:::my-bucket", "arn:aws:s3:::my-bucket/*"]
WRITES = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENIES = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
NEEDS_TLS = {"Bool": {"aws:SecureTransport": "true"}}
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
STATEMENT = "policy.document.Statement"


@pytest.mark.parametrize(
    ("statement", "element"),
    [
        # PutObject: Write, object*; PutMetricData: Write, no resource type.
        ({"Action": "s3:PutObject", "Resource": ["arn:aws:s3:::b/*", "*"]}, "Resource"),
        ({"Action": ["s3:Get*", "S3:Put*"], "Resource": "*"}, "Resource"),
        ({"Action": "cloudwatch:PutMetricData", "Resource": "*"}, None),
        ({"NotAction": "iam:*", "Resource": "*"}, "Resource"),
        ({"Action": "s3:*", "NotResource": BUCKET}, "NotResource"),
        ({"Action": "s3:PutObject", "NotResource": "arn:aws:s3:::my-bucket/*"}, "NotResource"),
        ({"Action": "s3:PutObject", "Resource": "arn:aws:s3:::*"}, "Resource"),
        ({"Action": "dynamodb:PutItem", "Resource": "arn:aws:dynamodb:*:*:table/*"}, "Resource"),
        ({"Action": "dynamodb:PutItem", "Resource": "arn:aws:dynamodb:us-west-2:*:table/*"}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": NEEDS_TLS}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "a"}}}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:Referer": "x"}}}, "Resource"),
        ({"Action": "ec2:*", "Resource": "*", "Condition": {"Null": {"aws:RequestTag/a": "false"}}}, "Resource"),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringLikeIfExists": {"aws:SourceVpc": "*"}}}, "Resource"),
        # All but what NotResource names is nothing here; these name their resources, or a condition really limits them.
        ({"Action": "dynamodb:PutItem", "NotResource": "arn:aws:dynamodb:*:*:table/*"}, None),
        ({"Action": "s3:*", "Resource": [*BUCKET, "arn:aws:s3:::mybucket/*"]}, None),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/a": "b"}}}, None),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, None),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}*"}, None),
    ],
)
def test_write_everything(statement: Mapping[str, Any], element: str | None) -> None:
    """Levels and types: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html."""
    binding = policy({"Effect": "Allow", **statement})
    assert places("write-everything", binding) == ([f"{STATEMENT}.0.{element}"] if element else [])


@pytest.mark.parametrize("resource", ["*", "arn:aws:s3:::my-bucket/*"])
@pytest.mark.parametrize("element", ["Action", "NotAction"])
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_wildcard_on_both_sides_of_the_colon_is_every_action(effect: str, element: str, resource: str) -> None:
    """moto's IAM takes it: moto/iam/policy_validation.py."""
    for rule in ("pass-any-role", "unknown-action", "write-everything", "wrong-resource"):
        one, other = (
            places(rule, policy(WRITES, {"Effect": effect, element: action, "Resource": resource}))
            for action in ("*", "*:*")
        )
        assert one == other


@pytest.mark.parametrize(
    ("denies", "silent"),
    [
        (DENIES, True),
        ({**DENIES, "Resource": ["arn:aws:s3:*:*:*", "arn:aws:s3-object-lambda:*:*:*"]}, True),
        # It leaves access points, whose ARNs have a region and an AWS account.
        ({**DENIES, "Resource": "arn:aws:s3:::*"}, False),
        ({"Effect": "Deny", "Action": "s3:*", "NotResource": BUCKET}, True),
        ({"Effect": "Deny", "NotAction": ["s3:Get*", "s3:List*"], "Resource": "*"}, True),
        ({**DENIES, "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}, True),
        ({**DENIES, "Condition": {"StringEquals": {"aws:PrincipalTag/nobody": "x"}}}, False),
        ({**DENIES, "Action": "s3:Delete*"}, False),
        ({**DENIES, "Condition": WITHOUT_TLS}, False),
        ({**DENIES, "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}, False),
    ],
)
def test_a_deny_in_another_document(denies: Mapping[str, Any], silent: bool) -> None:
    assert bool(places("write-everything", {**policy(WRITES), **inline(denies)})) is not silent


def test_what_cannot_be_seen_silences_nothing() -> None:
    others = {
        **inline({**DENIES, "Action": ["s3:*", SECRET]}),
        "policyArns": ["arn:aws:iam::aws:policy/AWSDenyAll"],
        "role": {"permissionsBoundary": "arn:aws:iam::111122223333:policy/b"},
    }
    assert places("write-everything", {**policy(WRITES), **others}) == [f"{STATEMENT}.0.Resource"]


@pytest.mark.parametrize(
    ("statement", "element"),
    [
        *(({"Action": each, "Resource": "*"}, "Resource") for each in ("iam:*", "IAM:pass*", "*")),
        ({"Action": "iam:PassRole", "Resource": "arn:${partition}:iam::${account}:role/*"}, "Resource"),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::999988887777:*"}, "Resource"),
        *(
            ({"Action": "iam:PassRole", "Resource": f"arn:aws:iam::111122223333:{each}"}, None)
            for each in ("role/team/*", "user/*")
        ),
        ({"NotAction": "s3:*", "Resource": "*"}, "Resource"),
        ({"NotAction": "iam:*", "Resource": "*"}, None),
        ({"Action": "iam:PassRole", "NotResource": "arn:aws:iam::*:role/admin"}, "NotResource"),
        ({"NotAction": "s3:*", "NotResource": "arn:aws:iam::*:role/admin"}, "NotResource"),
        (
            {
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}, **NEEDS_TLS},
            },
            "Resource",
        ),
        ({"Action": "iam:PassRole", "NotResource": "arn:aws:iam::*:role/*"}, None),
        ({"NotAction": "iam:Pass*", "NotResource": "arn:aws:iam::*:role/admin"}, None),
        ({"Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:ResourceTag/a": "b"}}}, None),
    ],
)
def test_pass_any_role(statement: Mapping[str, Any], element: str | None) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html."""
    binding = policy({"Effect": "Allow", **statement})
    assert places("pass-any-role", binding) == ([f"{STATEMENT}.0.{element}"] if element else [])


@pytest.mark.parametrize(
    ("denies", "silent"),
    [
        ({"Action": "iam:PassRole", "Resource": "*"}, True),
        ({"Action": "iam:*", "NotResource": "arn:aws:iam::*:role/app"}, True),
        (
            {
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringNotEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            },
            False,
        ),
    ],
)
def test_a_deny_of_passing_roles(denies: Mapping[str, Any], silent: bool) -> None:
    allows = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    binding = {**policy(allows), **inline({"Effect": "Deny", **denies})}
    assert bool(places("pass-any-role", binding)) is not silent


@pytest.mark.parametrize("name", ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"])
@pytest.mark.parametrize("key", ["NotAction", "Action"])
def test_administrator_access(name: str, key: str) -> None:
    """Protects the gate from a Deny beside it: whoever may edit that has the policy whole."""
    arns = {"policyArns": [f"arn:aws:iam::aws:policy/{name}"]}
    assert places("administrator-access", {**policy({"Effect": "Deny", "Resource": "*", key: "s3:Get*"}), **arns}) == [
        "policyArns.0"
    ]


# Policies of AWS


AWS = "arn:aws:iam::aws:policy/"


def written_whole() -> Iterator[tuple[str, str]]:
    """Yield what the documents of AWS say word for word, as the package moto has them: SERVICE:* on *."""
    for name, each in json.loads(aws_managed_policies_data).items():
        for statement in items_of(each["Document"]["Statement"]):
            on_all = statement["Effect"] == "Allow" and "*" in items_of(statement.get("Resource"))
            if on_all and not {*statement} & {"Condition", "NotAction"} and each["Path"] != "/aws-service-role/":
                given = [action for action in items_of(statement["Action"]) if action.endswith(":*")]
                yield from ((each["Path"][1:] + name, action.removesuffix(":*")) for action in given)


def test_a_policy_of_aws_is_judged_as_its_statement_in_a_document() -> None:
    whole = {(key, service) for key, service in written_whole() if actions.written(f"{service}:*")}
    assert len(whole) > 300
    for service in {service for _, service in whole}:
        assert places("write-everything", policy({"Effect": "Allow", "Action": f"{service}:*", "Resource": "*"}))
    for key in {key for key, _ in whole} - {"IAMFullAccess"}:
        assert places("full-access", {"policyArns": [AWS + key]}) == ["policyArns.0"], key


@pytest.mark.parametrize(
    ("binding", "silent"),
    [
        ({"policyArns": [f"{AWS}AmazonEC2FullAccess"]}, False),
        # It names each action: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSWAFFullAccess.html
        ({"policyArns": [f"{AWS}AWSWAFFullAccess"]}, False),
        ({"policyArns": [f"{AWS}AmazonEKS_CNI_Policy", f"{AWS}AmazonSSMManagedInstanceCore"]}, True),
        ({"role": {"permissionsBoundary": f"{AWS}AmazonS3FullAccess"}}, True),
        ({"policyArns": ["arn:aws:iam::111122223333:policy/AmazonS3FullAccess"]}, True),
    ],
)
def test_full_access(binding: dict[str, Any], silent: bool) -> None:
    assert bool(places("full-access", binding)) is not silent


NAMED = {"name": "my-cluster"}


def advised(rule: str, binding: dict[str, Any], region: str | None = "us-west-2") -> dict[str, str]:
    return {place: mistake.fix for place, mistake in warnings(rule, {**APP, **binding}, region, cluster=NAMED)}


# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/: the ARN on the page of each policy.
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AmazonEBSCSIDriverPolicy", "service-role/AmazonEBSCSIDriverPolicy"),
        ("service-role/AmazonS3ReadOnlyAccess", "AmazonS3ReadOnlyAccess"),
        ("aws-service-role/AmazonEFSCSIDriverPolicy", "service-role/AmazonEFSCSIDriverPolicy"),
        ("AmazonSQSReadonlyAcces", "AmazonSQSReadOnlyAccess"),
    ],
)
def test_a_policy_that_aws_does_not_have(written: str, meant: str) -> None:
    found = advised("unknown-managed-policy", {"policyArns": [AWS + written, AWS + meant]})

    assert [*found] == ["policyArns.0"]
    assert f"did you mean {AWS + meant!r}?" in found["policyArns.0"]
    assert f"`aws iam get-policy --policy-arn {AWS}{written}`" in found["policyArns.0"]


def test_a_boundary_that_aws_does_not_have() -> None:
    boundary = f"{AWS}OfNobodyAtAll"
    found = advised("unknown-managed-policy", {"role": {"permissionsBoundary": boundary}})

    assert [*found] == ["role.permissionsBoundary"]
    assert found["role.permissionsBoundary"].startswith("`aws iam get-policy")


@pytest.mark.parametrize(
    ("arn", "region"),
    [
        ("arn:aws-cn:iam::aws:policy/Unknown", "cn-north-1"),
        ("arn:aws-us-gov:iam::aws:policy/Unknown", "us-gov-west-1"),
        ("arn:${partition}:iam::aws:policy/Unknown", None),
        ("arn:aws:iam::111122223333:policy/Unknown", "us-west-2"),
    ],
)
def test_what_the_list_does_not_say(arn: str, region: str | None) -> None:
    assert advised("unknown-managed-policy", {"policyArns": [arn]}, region) == {}


def test_a_policy_that_aws_has_removed_is_unknown() -> None:
    """https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaFullAccess.html"""
    found = advised("unknown-managed-policy", {"policyArns": [f"{AWS}AWSLambdaFullAccess"]})

    assert found["policyArns.0"].startswith(f"did you mean '{AWS}AWSLambda_FullAccess'?")
    assert len(aws_policies().keys) > 1_500


def test_a_policy_for_sessions_with_tags() -> None:
    """Source: the documents of AWS's managed policies, as the package moto has them."""
    arns = {"policyArns": [AWS + "AmazonEBSCSIDriverEKSClusterScopedPolicy"]}
    assert [*advised("session-tag-policy", {**arns, "identity": "both"})] == ["policyArns.0"]
    assert advised("session-tag-policy", {**arns, "identity": "podIdentity"}) == {}
    assert advised("session-tag-policy", {**arns, "role": {"tags": {"eks-cluster-name": "my-cluster"}}}) == {}

    compared = {
        key: set(re.findall(r"aws:PrincipalTag/((?:eks|kubernetes)-[\w-]+)", json.dumps(policy)))
        for key, policy in aws_managed().items()
    }
    assert {key: {tag} for key, tag in WITH_SESSION_TAG.items()} == {
        key: tags for key, tags in compared.items() if tags
    }
