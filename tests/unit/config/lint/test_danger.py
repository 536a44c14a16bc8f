"""What `irsa check` fails by although it is legal: a role that may do everything, or that everybody may have."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from irsa.add_ons.catalog import add_on
from irsa_config.lint import RULES, fails
from irsa_program.check_report import report_of
from irsa_program.examine import Examination, examine
from tests.unit.irsa.add_ons.every_add_on import AWS_ACCOUNT, NARROWEST, asked, given

PROVIDER = f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CLUSTER = {
    "name": "alpha",
    "oidcIssuer": f"https://{PROVIDER.partition('/')[2]}",
    "oidcProviderArn": PROVIDER,
}
OPEN = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
# As https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html has it: who associates it needs rights in AWS.
PODS = {**OPEN, "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
SUB = f"{PROVIDER.partition('/')[2]}:sub"


def may(action: str, resource: str = "*", effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return {"policy": {"document": {"Version": "2012-10-17", "Statement": statement}}}


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
        (may("s3:PutObject"), {"write-everything"}),
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
        (may("*", effect="Deny"), set()),
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


@pytest.mark.parametrize("name", NARROWEST)
def test_no_add_on_fails(tmp_path: Path, name: str) -> None:
    bindings: dict[str, Any] = {}
    for version in add_on(name).versions:
        for scope, names in asked(add_on(name)):
            parameters = {to_camel(key): value for key, value in given(names).items()}
            settings = {"addOn": name, "version": version, **parameters, **({"scope": scope} if scope else {})}
            key = f"b{len(bindings)}"
            bindings[key] = {"serviceAccount": {"name": key, "namespace": "team-a"}, "policies": [settings]}
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(json.dumps({"config": {"irsa:cluster": CLUSTER, "irsa:bindings": bindings}}))

    assert [str(each) for each in report_of(file).mistakes] == []
