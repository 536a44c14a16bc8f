"""What IAM would refuse only during the deployment is refused by the component and by the stack file."""

from pathlib import Path
from typing import Any

import pytest

from irsa.later import ArgumentMistakes
from irsa.spec import parse
from program.examine import examine

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CLUSTER = {"name": "my-cluster", "oidcIssuer": f"https://{PROVIDER.split('/', 1)[1]}", "oidcProviderArn": PROVIDER}
TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{'x' * 3000}"}
TWO_POLICIES = {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Action": f"s3:{a}"} for a in ("A", "B", "C")]}


def component_refuses(args: dict[str, Any]) -> str:
    try:
        parse("app", {"service_account": {"name": "app"}, "oidc_provider_arns": [PROVIDER], **args})
    except ArgumentMistakes as error:
        return str(error)
    return ""


def stack_file_refuses(*bindings: dict[str, Any], **settings: Any) -> list[str]:
    keyed = {f"app-{index}": {"trust": {"subjects": [f"a:b{index}"]}, **each} for index, each in enumerate(bindings)}
    values = {"cluster": CLUSTER, "bindings": keyed, **settings}
    return list(map(str, examine(values, Path("/nowhere"), "us-west-2").mistakes))


@pytest.mark.parametrize(
    "statements",
    [
        [{**TRUST, "Sid": "A"}, {**TRUST, "Sid": "A"}],
        [{**TRUST, "Action": "s3:GetObject"}],
        [{**TRUST, "Principal": {"AWS": [1, ""]}}],
        [{**TRUST, "Condition": {"NullIfExists": {"aws:SourceVpc": "true"}}}],
        [{**TRUST, "Condition": {"ForAnyValue:ForAllValues:StringEquals": {"aws:SourceVpc": "a"}}}],
        [{**TRUST, "Condition": {"ForAnyValue:Null": {"aws:SourceVpc": "true"}}}],
        [{**TRUST, "Condition": {"StringEquals": {"aws:PrincipalTag/a": "日本"}}}],
    ],
)
def test_trust_statements(statements: list[dict[str, Any]]) -> None:
    """The attack: a trust statement that passes `irsa check`, and that IAM refuses in the middle of `pulumi up`."""
    assert component_refuses({"trust_statements": statements})
    assert stack_file_refuses({"trust": {"subjects": ["a:b"], "statements": statements}})


@pytest.mark.parametrize("operator", ["NullIfExists", "ForAnyValue:Null"])
def test_trust_conditions(operator: str) -> None:
    """The same for conditions of every statement."""
    conditions = {operator: {"aws:SourceVpc": "true"}}

    assert component_refuses({"trust_conditions": conditions})
    assert stack_file_refuses({"trust": {"subjects": ["a:b"], "conditions": conditions}})


def test_characters_beyond_latin_1() -> None:
    """The attack: characters that IAM takes in no document, in policies, in an audience, and in a variable's value."""
    resource = {**STATEMENT, "Resource": "arn:aws:s3:::日本"}
    document = {"Version": "2012-10-17", "Statement": [resource]}

    assert component_refuses({"policy": {"document": document}})
    assert stack_file_refuses({"policy": {"document": document}})
    assert component_refuses({"audience": "日本"})
    assert stack_file_refuses({"audience": "日本"})
    filled = {**TRUST, "Condition": {"StringEquals": {"aws:PrincipalTag/a": "${name}"}}}
    assert stack_file_refuses({"trust": {"subjects": ["a:b"], "statements": [filled]}}, variables={"name": "日本"})


@pytest.mark.parametrize(("length", "good"), [(126, True), (127, False), (128, False)])
def test_a_divided_policys_name_that_is_too_long(length: int, good: bool) -> None:
    """The attack: a policy name of IAM's 128 characters, whose second part, with -2 at its end, has more."""
    policy = {"name": "x" * length, "document": TWO_POLICIES}

    assert bool(component_refuses({"policy": policy})) is not good
    assert bool(stack_file_refuses({"policy": policy})) is not good


def test_a_divided_policys_name_that_is_taken() -> None:
    """The attack: another binding's policy, or the part of another one, has the name of a second part."""
    divided = {"policy": {"name": "app", "document": TWO_POLICIES}}
    whole = {"policy": {"name": "App-2", "document": {**TWO_POLICIES, "Statement": [STATEMENT]}}}
    other = {"policy": {"name": "other", "document": TWO_POLICIES}}

    (mistake,) = stack_file_refuses(divided, whole)
    assert "'app-2' is already used by irsa:bindings.app-1" in mistake
    assert stack_file_refuses(divided, other) == []


@pytest.mark.parametrize(
    ("account", "another", "is_one"),
    [
        ({"account": "data"}, "data-too", True),
        ({}, "None", False),
        ({}, "data", False),
        ({"account": "data"}, "None", False),
    ],
)
def test_a_divided_policys_name_that_is_taken_in_the_aws_account(
    account: dict[str, str], another: str, is_one: bool
) -> None:
    """The attack: two keys of one AWS account; and a key that is called None, which is another AWS account."""
    role = {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}
    accounts = {"data": role, "data-too": role, "None": {"profile": "none"}}
    divided = {**account, "policy": {"name": "app", "document": TWO_POLICIES}}
    whole = {"account": another, "policy": {"name": "app-2", "document": {**TWO_POLICIES, "Statement": [STATEMENT]}}}

    assert len(stack_file_refuses(divided, whole, accounts=accounts)) == is_one
