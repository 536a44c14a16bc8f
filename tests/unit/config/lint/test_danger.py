"""What `irsa check` fails by although it is legal: a role that may do everything, or that everybody may have."""

import string
from pathlib import Path
from typing import Any

import pytest

from irsa_config.lint import RULES, fails
from irsa_program.examine import Examination, examine
from tests.unit.config.lint.scene import CLUSTER, ISSUER, OPEN, policy

# As https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html has it: who associates it needs rights in AWS.
PODS = {**OPEN, "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
SUB = f"{ISSUER}:sub"


def may(action: str, resource: str = "*") -> dict[str, Any]:
    return policy({"Effect": "Allow", "Action": action, "Resource": resource})


def trusts(*subjects: str, **more: Any) -> dict[str, Any]:
    return {"trust": {"subjects": [*subjects], **more}}


def claims(*patterns: str) -> dict[str, Any]:
    values = [f"system:serviceaccount:{each}" for each in patterns]
    return trusts("team-a:app", statements=[{**OPEN, "Condition": {"StringLike": {SUB: values}}}])


def found(binding: dict[str, Any], lint: Any = None) -> Examination:
    of_lint = {"lint": lint} if lint else {}
    bindings = {"app": {"trust": {"subjects": ["team-a:app"]}, **binding}}
    return examine({"cluster": CLUSTER, "bindings": bindings, **of_lint}, Path("/nowhere"), "us-west-2")


@pytest.mark.parametrize(
    ("binding", "rules"),
    [
        (may("*"), {"write-everything", "pass-any-role"}),
        (may("iam:PassRole", "arn:aws:iam::*:role/*"), {"write-everything", "pass-any-role"}),
        ({"policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}, {"administrator-access"}),
        (trusts("*:*", anyServiceAccount=True), {"wide-trust"}),
        (trusts("team-a:app", statements=[OPEN]), {"wide-trust"}),
        (claims(*(f"{each}*:*" for each in string.ascii_lowercase + string.digits)), {"wide-trust"}),
        (trusts("team-a:app", statements=[{**OPEN, "Principal": "*", "Action": "sts:AssumeRole"}]), {"wide-trust"}),
        (trusts("team-a:*"), set()),
        (trusts("team-a:app", statements=[PODS]), set()),
        (claims("*:app", "team-?:*"), set()),
        (may("s3:Get*"), set()),
        (may("s3:PutObject", "arn:aws:s3:::b/*"), set()),
    ],
)
def test_what_fails(binding: dict[str, Any], rules: set[str]) -> None:
    """The attack: `*` on `*`, or a role for the whole cluster, with "good, 2 warnings"; `pulumi up` warns of it.

    Whether it is a whole namespace, or reads everything, is somebody's choice, and stays a warning.
    """
    examination = found(binding)

    assert {each.rule for each in examination.warnings if fails(each)} == rules
    assert all(RULES[each].danger for each in rules)
    # It is deployed all the same.
    assert (examination.mistakes, examination.stack is None) == ([], False)
    accepted = found(binding, {"silence": {each: {"bindings": ["app"], "reason": "r"} for each in rules}})
    assert {each.rule for each, _ in accepted.silenced} == rules
    assert not any(map(fails, accepted.warnings))
