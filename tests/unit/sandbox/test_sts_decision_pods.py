"""The sandbox's decision where EKS asks for a role, and where that role asks for another one.

Trust policies are those of https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html, pod-id-abac.html and
pod-id-assign-target-role.html; ArnEquals and ArnLike are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
"""

from typing import Any

import pytest

from sandbox.sts_decision import CannotDecideError, permits, trusts_role, trusts_service

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/green"
PODS = "pods.eks.amazonaws.com"
BOTH = ("sts:AssumeRole", "sts:TagSession")
TAGS = {
    "aws:RequestTag/eks-cluster-arn": CLUSTER,
    "aws:RequestTag/kubernetes-namespace": "web",
    "aws:RequestTag/kubernetes-service-account": "app",
}
SOURCE = {"aws:SourceArn": CLUSTER, "aws:SourceAccount": ACCOUNT}
ALLOW = {"Effect": "Allow", "Principal": {"Service": PODS}, "Action": list(BOTH)}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/irsa/app"
TARGET = f"arn:aws:iam::{OTHER_ACCOUNT}:role/data-reader"


def when(**condition: Any) -> dict[str, Any]:
    return {**ALLOW, "Condition": condition}


def admits(*statements: Any, tags: bool = True) -> bool:
    context = {**SOURCE, **(TAGS if tags else {})}
    return trusts_service({"Statement": list(statements)}, PODS, BOTH if tags else BOTH[:1], context)


@pytest.mark.parametrize(
    ("statement", "with_tags", "without"),
    [
        (ALLOW, True, True),
        (when(StringEquals=TAGS), True, False),
        (when(StringEquals={**TAGS, "aws:RequestTag/kubernetes-namespace": "other"}), False, False),
        (when(StringEquals={"aws:requesttag/KUBERNETES-namespace": ["batch", "web"]}), True, False),
        (when(StringLike={"aws:RequestTag/kubernetes-service-account": "a*"}), True, False),
        (when(StringEqualsIfExists={"aws:RequestTag/kubernetes-namespace": "web"}), True, True),
        (when(StringNotEquals={"aws:RequestTag/kubernetes-namespace": "web"}), False, True),
        (when(Null={"aws:RequestTag/kubernetes-namespace": "true"}), False, True),
        (when(StringEquals={"aws:RequestTag/team": "payments"}), False, False),
        (when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnEquals={"aws:SourceArn": CLUSTER}), True, True),
        (when(ArnEquals={"aws:SourceArn": [CLUSTER + "2", CLUSTER]}), True, True),
        (when(ArnLike={"aws:SourceArn": f"arn:aws:eks:*:{ACCOUNT}:cluster/*"}), True, True),
        (when(ArnEquals={"aws:SourceArn": CLUSTER.replace("us-west-2", "eu-west-1")}), False, False),
        (when(ArnNotEquals={"aws:SourceArn": CLUSTER}), False, False),
        (when(StringEquals={"aws:SourceAccount": OTHER_ACCOUNT}), False, False),
        (when(StringEquals={"sts:ExternalId": "x"}), False, False),
        ({**ALLOW, "Action": "sts:AssumeRole"}, False, True),
        ({**ALLOW, "Action": "sts:TagSession"}, False, False),
        ({**ALLOW, "Action": "sts:AssumeRoleWithWebIdentity"}, False, False),
        ({**ALLOW, "Principal": {"Service": ["ec2.amazonaws.com", PODS]}}, True, True),
        ({**ALLOW, "Principal": {"Service": "eks.amazonaws.com"}}, False, False),
        # A service is nobody of an account.
        ({**ALLOW, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, False, False),
        ({**ALLOW, "Principal": {"AWS": ROLE}}, False, False),
    ],
)
def test_what_admits_a_pod(statement: dict[str, Any], with_tags: bool, without: bool) -> None:
    """Protects the two ways of an association: without session tags their keys are absent, whatever they ask for."""
    assert (admits(statement), admits(statement, tags=False)) == (with_tags, without)


def test_each_action_may_be_in_a_statement_of_its_own() -> None:
    """Protects trust policies that are written in two statements, and those whose second one asks for more."""
    assume, tag = ({**ALLOW, "Action": action} for action in BOTH)
    assert admits(assume, tag)
    assert not admits(assume, {**tag, "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}})


def test_a_deny_wins() -> None:
    """Protects from a Deny that is passed over: of one action, of this namespace, of what is unknown."""
    assert not admits(ALLOW, {**ALLOW, "Effect": "Deny", "Action": "sts:TagSession"})
    assert admits(ALLOW, {**ALLOW, "Effect": "Deny", "Action": "sts:TagSession"}, tags=False)
    denied = {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "web"}}
    assert not admits(ALLOW, {**ALLOW, "Effect": "Deny", "Condition": denied})
    with pytest.raises(CannotDecideError):
        admits(ALLOW, {**ALLOW, "Effect": "Deny", "Principal": "*"})


@pytest.mark.parametrize(
    "statement",
    [
        {**ALLOW, "Principal": "*"},
        when(StringEquals={"aws:SourceOrgID": "o-1"}),
        when(IpAddress={"aws:SourceIp": "127.0.0.1"}),
        when(StringEquals={"aws:SourceVpc": "vpc-1"}),
        when(**{"ForAllValues:StringEquals": {"aws:TagKeys": ["eks-cluster-arn"]}}),
        when(ArnEquals={"aws:SourceArn": "*"}),
    ],
)
def test_what_is_not_known_admits_nobody(statement: dict[str, Any]) -> None:
    """Protects from a yes that AWS may not give: "*", keys and operators that no page says the value of."""
    with pytest.raises(CannotDecideError):
        admits(statement)


def trusted(statement: dict[str, Any]) -> bool:
    context = {"aws:PrincipalArn": ROLE, "sts:ExternalId": "us-west-2/111122223333/green/web/app"}
    return trusts_role({"Statement": [statement]}, ROLE, BOTH[:1], context)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"AWS": ROLE}, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, True),
        ({"AWS": ACCOUNT}, True),
        ("*", True),
        ({"AWS": [f"arn:aws:iam::{OTHER_ACCOUNT}:root", ROLE]}, True),
        ({"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}, False),
        ({"AWS": OTHER_ACCOUNT}, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/app"}, False),
        ({"Service": PODS}, False),
    ],
)
def test_whom_a_target_role_trusts(principal: Any, expected: bool) -> None:
    """Protects target roles: the first role by its whole ARN or by its account, and nobody else."""
    assert trusted({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}) is expected


def test_conditions_of_a_target_role() -> None:
    """Protects the pinned external ID and aws:PrincipalArn, as EKS's page has them."""
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    external = {"StringEquals": {"sts:ExternalId": "us-west-2/111122223333/green/web/app"}}
    assert trusted({**statement, "Condition": {**external, "ArnEquals": {"aws:PrincipalARN": ROLE}}})
    assert not trusted({**statement, "Condition": {"StringEquals": {"sts:ExternalId": "us-west-2/111122223333/green"}}})


@pytest.mark.parametrize(
    ("resource", "action", "expected"),
    [
        (TARGET, ["sts:AssumeRole", "sts:TagSession"], True),
        ("*", "sts:*", True),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:role/*", "*", True),
        (TARGET, "sts:AssumeRole", False),
        (ROLE, "sts:*", False),
        (TARGET, "s3:*", False),
    ],
)
def test_what_the_first_role_is_permitted(resource: str, action: Any, expected: bool) -> None:
    """Protects target roles: the first role needs both actions on the target, in any of its policies."""
    policies: list[dict[str, Any]] = [
        {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}},
        {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]},
    ]
    assert permits(policies, TARGET, BOTH, {}) is expected
    denying = {"Statement": [{"Effect": "Deny", "Action": "sts:*", "Resource": "*"}]}
    assert permits([*policies, denying], TARGET, BOTH, {}) is False
    assert permits([], TARGET, BOTH, {}) is False
