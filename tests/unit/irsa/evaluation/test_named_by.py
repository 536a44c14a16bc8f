"""Whether conditions name somebody, from what AWS's pages say of each key, and against the evaluator."""

import dataclasses
import ipaddress
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, evaluate
from irsa.evaluation.document import statement_of
from irsa.evaluation.named_by import names_somebody
from irsa.rules.grammar import OPERATORS
from tests.unit.irsa.evaluation.page_example import REQUEST

ANYBODY = ("AWS", "*")
GITHUB, GITLAB = "token.actions.githubusercontent.com", "gitlab.com"
TERRAFORM, COGNITO = "app.terraform.io", "cognito-identity.amazonaws.com"
FEDERATED = {each: f"arn:aws:iam::111122223333:oidc-provider/{each}" for each in (GITHUB, GITLAB, TERRAFORM)}
ORGANIZATION = {"StringNotEquals": {"aws:PrincipalOrgID": "o-123"}}
EVERYTHING = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


def named(condition: Any, *denials: dict[str, Any], principal: tuple[str, str] = ANYBODY, action: Any = "sts:*") -> Any:
    """Return whether somebody is named by an Allow statement, with Deny statements for everybody."""
    type_, name = principal
    allow = statement_of({"Effect": "Allow", "Principal": {type_: name}, "Action": action, "Condition": condition})
    everything = {**EVERYTHING, "Action": "sts:*", "Effect": "Deny"}
    others = [statement_of({key: value for key, value in {**everything, **each}.items() if value}) for each in denials]
    return names_somebody(allow, principal, [allow, *others])


def of(provider: str, condition: Any, *denials: dict[str, Any]) -> Any:
    return named(condition, *denials, principal=("Federated", FEDERATED.get(provider, provider)))


NAMING: list[dict[str, Any]] = [
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-123/*"}},
    {"StringLike": {"aws:PrincipalAccount": "111122223333*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}},
    {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*"}},
    {"StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:*"}},
    {"StringLike": {"aws:userid": ["AROAEXAMPLEID:*", "AIDAEXAMPLEID"]}},
    {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8", "198.51.100.7"]}},
    {"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}},
    {"StringEquals": {"oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:a:b"}},
    # Two that name together: whatever the key holds is of somebody, and it must be there.
    {"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-123/*"}, "Null": {"aws:PrincipalOrgPaths": "false"}},
    {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-123"}, "Null": {"aws:PrincipalOrgID": "false"}},
]
NOBODY: list[dict[str, Any]] = [
    {"StringEquals": {"sts:RoleSessionName": "ci"}},
    {"StringEquals": {"aws:PrincipalTag/example.com/team:name": "platform"}},
    {"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalAccount}"}},
    {"IpAddress": {"aws:VpcSourceIp": "10.0.0.7/32"}},
    {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}},
    {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::111122223333:role/a", "arn:*:*:*:*:*"]}},
    # A role's path may have colons: arn:aws:iam::999999999999:role/:iam::111122223333:role/a.
    {"StringLike": {"aws:PrincipalArn": "arn:aws*:iam::111122223333:role/a"}},
    {"StringLike": {"aws:PrincipalAccount": "11112222333?"}},
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-1/*"}},
    {"StringLike": {"aws:userid": "*:session"}},
    # 1, 10 to 19 and 100 to 199.
    {"StringLike": {"aws:SourceIp": "1*"}},
    {"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}},
    {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-123"}},
    {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-123/r-1/"}},
    {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    {"Null": {"aws:PrincipalOrgID": "false"}},
    {"Bool": {"aws:SecureTransport": True, "aws:MultiFactorAuthPresent": "true"}},
]
CANNOT_TELL: list[dict[str, Any]] = [
    {"StringEquals": {"example:Team": "platform"}},
    {"Bool": {"aws:PrincipalIsAWSService": "true"}},
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html: a bucket's ARN needs aws:SourceAccount too.
    {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::my-bucket"}},
    {"StringEquals": {"aws:PrincipalAccount": "1*"}},
    {"IpAddress": {"aws:SourceIp": "192.0.2.0/64"}},
    {"IpAddress": {"aws:SourceIp": [f"{each}.0.0.0/8" for each in range(256)]}},
]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(each, said) for those, said in ((NAMING, True), (NOBODY, False), (CANNOT_TELL, None)) for each in those],
    ids=str,
)
def test_whom_a_condition_names(condition: dict[str, Any], expected: bool | None) -> None:
    """The attack: a condition that any AWS account in the world meets, because its caller chooses the value.

    Protects what AWS says of the caller from a warning. What irsa does not know neither silences it nor proves it.
    """
    assert named(condition) is expected


def test_a_deny_is_not_told() -> None:
    """The attack: a Deny for all but somebody that is not for all, or not where the key is absent."""
    for condition in (ORGANIZATION, {**ORGANIZATION, "Bool": {"aws:SecureTransport": "false"}}):
        assert named({}, {"Condition": condition}) is None
    assert named({"StringEquals": {"aws:PrincipalOrgID": "o-123"}}, {"Condition": {}}) is True
    assert named({}, {"Principal": {"AWS": "111122223333"}, "Condition": ORGANIZATION}) is False


def test_variables_need_the_version() -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/x": "a", "aws:SourceVpc": "${aws:SourceVpc}"}}
    allow = statement_of({**EVERYTHING, "Condition": condition})

    assert names_somebody(allow, ANYBODY, [allow], variables=True) is False
    assert names_somebody(allow, ANYBODY, [allow], variables=False) is True


@pytest.mark.parametrize(
    ("provider", "claim", "value", "expected"),
    [
        (GITHUB, "sub", "repo:acme/*", True),
        (GITHUB, "sub", "repo:acme@*", True),
        (GITHUB, "sub", "repository_owner:acme:*", True),
        (GITHUB, "sub", "repo:*:repository_owner:acme", True),
        (GITHUB, "sub", "*repository_owner:acme", False),
        (GITHUB, "sub", "repo:acme*", False),
        (GITHUB, "sub", "repo:*/app:ref:refs/heads/main", False),
        (GITHUB, "sub", "environment:prod", None),
        (GITHUB, "repository_id", "456789", None),
        (GITHUB, "aud", "sts.amazonaws.com", False),
        (GITLAB, "sub", "project_path:acme/*", True),
        (GITLAB, "sub", "project_path:acme*", False),
        (TERRAFORM, "sub", "organization:acme:project:p:workspace:w:run_phase:*", True),
        (COGNITO, "aud", "us-east-1:12345678-ffff-ffff-ffff-123456", True),
        (COGNITO, "amr", "authenticated", False),
        ("accounts.google.com", "aud", "example.apps.googleusercontent.com", True),
        ("www.amazon.com", "user_id", "amzn1.account.EXAMPLE", True),
    ],
)
def test_the_claims_of_other_providers(provider: str, claim: str, value: str, expected: bool | None) -> None:
    """The attack: a role for one's own pipelines that every customer of the same provider may assume.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
    """
    condition = {"StringLike": {f"{provider}:{claim}": value}}

    assert of(provider, condition) is expected
    assert of(provider, {}) is False
    assert named(condition) is expected


@given(st.sampled_from([*NAMING, *NOBODY, *CANNOT_TELL]), st.data())
def test_spelling_changes_nothing(condition: dict[str, Any], data: st.DataObject) -> None:
    spelled: dict[str, Any] = {}
    for operator, keys in condition.items():
        for key, value in keys.items():
            cased = "".join(data.draw(st.sampled_from([each.lower(), each.upper()])) for each in key)
            values = value if isinstance(value, list) else [value]
            spelled.setdefault(operator, {})[cased] = data.draw(st.permutations(values * 2))

    assert named(spelled) is named(condition)


@given(st.sampled_from([("0.0.0.0/0", 8), ("::/0", 32)]), st.data())
def test_a_range_that_is_as_good_as_all(every: tuple[str, int], data: st.DataObject) -> None:
    """The attack: `0.0.0.0/1` and `128.0.0.0/1` in place of `0.0.0.0/0`; to S3, less than a /8 is no fixed value."""
    prefix = data.draw(st.integers(0, 48 if every[1] == 32 else 24))
    bits = data.draw(st.integers(0, 2**prefix - 1))
    class_ = ipaddress.IPv6Network if every[1] == 32 else ipaddress.IPv4Network
    network = class_((bits << (class_(every[0]).max_prefixlen - prefix), prefix))
    condition = {"IpAddress": {"aws:SourceIp": str(network)}}

    assert named(condition) is (prefix >= every[1])


# What names somebody, and what does not; and the values of callers whom nobody named. Any text may be an external ID.
VALUES = {
    "aws:PrincipalOrgID": ["o-1", "o-2*"],
    "aws:PrincipalAccount": ["111111111111", "1*"],
    "aws:SourceVpc": ["vpc-1", "vpc-9*"],
    "aws:RequestedRegion": ["us-east-1", "us-*"],
    "sts:ExternalId": ["x", "x*"],
}
STRANGERS = {
    "aws:PrincipalOrgID": ("", "o-2", "o-3"),
    "aws:PrincipalAccount": ("", "199999999999", "299999999999"),
    "aws:SourceVpc": ("", "vpc-9", "vpc-8"),
    "aws:RequestedRegion": ("", "us-east-1", "us-west-2", "eu-west-1", "us-*"),
    "sts:ExternalId": ("", "x", "xx", "y", "x*"),
}
STRINGS = [each for each in OPERATORS if each.startswith("String")]
SETS, ENDINGS = ["", "", "ForAllValues:", "ForAnyValue:"], ["", "", "IfExists"]
OPERATOR = st.just("Null") | st.tuples(*map(st.sampled_from, (SETS, STRINGS, ENDINGS))).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> tuple[list[dict[str, Any]], bool]:
    """Return an Allow for everybody and Deny statements, and whether no condition key is there twice."""
    keys: list[str] = []
    statements = []
    for number in range(draw(st.integers(1, 3))):
        condition: dict[str, Any] = {}
        for key in draw(st.lists(st.sampled_from([*STRANGERS]), max_size=3, unique=True)):
            operator = draw(OPERATOR)
            values = ["true", "false"] if operator == "Null" else VALUES[key]
            most = 1 if operator == "Null" else 2
            condition.setdefault(operator, {})[key] = draw(st.lists(st.sampled_from(values), min_size=1, max_size=most))
            keys.append(key)
        common = {"Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
        statements.append({"Effect": "Deny" if number else "Allow", **common})
    return statements, len(keys) == len({*keys})


@given(documents())
def test_who_is_named_against_the_evaluator(document: tuple[list[dict[str, Any]], bool]) -> None:
    statements, each_key_once = document
    parsed = [statement_of(each) for each in statements]
    answer = names_somebody(parsed[0], ("*", "*"), parsed)
    policy = {"Version": "2012-10-17", "Statement": statements}
    used = {key for each in statements for keys in each["Condition"].values() for key in keys}
    callers = (dict(zip(used, each, strict=True)) for each in itertools.product(*(STRANGERS[key] for key in used)))
    decisions = set()
    for caller in callers:
        context = {key: (caller[key],) if caller.get(key) else () for key in STRANGERS}
        decisions.add(evaluate(policy, dataclasses.replace(REQUEST, context=context)).decision)

    if answer is True:
        assert Decision.ALLOWED not in decisions
    elif answer is False and each_key_once and Decision.CANNOT_TELL not in decisions:
        assert Decision.ALLOWED in decisions


def test_long_conditions_have_an_answer() -> None:
    """The attack: conditions that keep irsa busy, which a test's timeout would end."""
    ranges = [f"{number}.0.0.0/{prefix}" for number in range(1, 120) for prefix in (1, 7, 8)]
    operators = ("IpAddress", "ForAnyValue:IpAddress")
    keys = ("aws:SourceIp", "aws:sourceip", "AWS:SourceIp")
    many = {operator: dict.fromkeys(keys, ranges) for operator in operators}

    assert named(many) is False
    assert of(GITHUB, {"StringLike": {f"{GITHUB}:sub": ["environment:" * 600 + "*" * 900] * 2}}) is False
