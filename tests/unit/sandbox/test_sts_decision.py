"""The sandbox's decision on a trust policy: what AWS documents is decided, everything else is refused.

Principals: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
Operators: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from sandbox.sts_decision import CannotDecideError, trusts

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
SUB = f"{ISSUER}:sub"
WORKER = "system:serviceaccount:team-b:worker"
REQUEST = {SUB: WORKER, f"{ISSUER}:aud": "sts.amazonaws.com", "aws:SourceIp": "127.0.0.1"}
ALLOW = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
DENY = {**ALLOW, "Effect": "Deny"}


def admitted(*statements: Any) -> bool:
    return trusts({"Version": "2012-10-17", "Statement": list(statements)}, PROVIDER, REQUEST)


def denying(**elements: Any) -> dict[str, Any]:
    """A Deny with these elements; one that is None is left out."""
    return {name: value for name, value in {**DENY, **elements}.items() if value is not None}


UNDECIDABLE = {
    # AWS documents "*" as everybody alone and under AWS, and refuses it inside of an ARN.
    "Federated *": {"Principal": {"Federated": "*"}},
    "Federated * beside another": {"Principal": {"Federated": [PROVIDER + "2", "*"]}},
    "part of a Federated ARN": {"Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/*"}},
    "Service *": {"Principal": {"Service": "*"}},
    # Nor does it say whether a web identity counts as the account's.
    "the account's root": {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
    "an account": {"Principal": {"AWS": "111122223333"}},
    "an account's canonical id": {"Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d"}},
    "an unknown kind of principal": {"Principal": {"Everybody": "x"}},
    "a principal in lower case": {"Principal": {"federated": PROVIDER}},
    "no principals": {"Principal": {}},
    "an empty list of principals": {"Principal": {"Federated": []}},
    "a principal that is no string": {"Principal": {"Federated": [5]}},
    "a list of everybody": {"Principal": ["*"]},
    "NotPrincipal": {"Principal": None, "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:user/admin"}},
    "neither Principal nor NotPrincipal": {"Principal": None},
    "NotAction": {"Action": None, "NotAction": "sts:TagSession"},
    "no action": {"Action": None},
    "an empty list of actions": {"Action": []},
    "an action that is no string": {"Action": [5]},
    "a resource": {"Resource": "*"},
    "an unknown operator": {"Condition": {"DateLessThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}},
    "a set operator": {"Condition": {"ForAnyValue:StringEquals": {SUB: "x"}}},
    "Not before the operator": {"Condition": {"NotStringEquals": {SUB: WORKER}}},
    "Not behind the operator": {"Condition": {"StringEqualsNot": {SUB: WORKER}}},
    "Not inside of the operator": {"Condition": {"IpNotAddress": {"aws:SourceIp": "127.0.0.1"}}},
    "NullIfExists": {"Condition": {"NullIfExists": {SUB: "true"}}},
    "an unknown key": {"Condition": {"StringEquals": {"aws:RequestedRegion": "us-west-2"}}},
    "an unknown claim": {"Condition": {"Null": {f"{ISSUER}:amr": "true"}}},
    "a tag that looks like a claim": {"Condition": {"Null": {"aws:RequestTag/a.b:sub": "true"}}},
    "a variable": {"Condition": {"StringEquals": {SUB: "${aws:username}"}}},
    "an empty list of values": {"Condition": {"StringEquals": {SUB: []}}},
    "an operator without keys": {"Condition": {"StringEquals": {}}},
    "conditions that are a list": {"Condition": [{"StringEquals": {SUB: "x"}}]},
    "an operator's keys that are a list": {"Condition": {"StringEquals": [SUB]}},
    "a number": {"Condition": {"StringEquals": {SUB: 1227433179}}},
    "Null in another case": {"Condition": {"Null": {SUB: "FALSE"}}},
    "no address": {"Condition": {"NotIpAddress": {"aws:SourceIp": "localhost"}}},
    "an address of what has none": {"Condition": {"IpAddress": {SUB: "127.0.0.1"}}},
}


@pytest.mark.parametrize("elements", UNDECIDABLE.values(), ids=UNDECIDABLE)
def test_what_cannot_be_decided_is_not_passed_over(elements: dict[str, Any]) -> None:
    """Protects from a Deny that the sandbox overlooks and STS may not, and `irsa prove` from a yes of the sandbox."""
    for statements in ((ALLOW, denying(**elements)), ({**denying(**elements), "Effect": "Allow"},)):
        with pytest.raises(CannotDecideError):
            admitted(*statements)


def test_what_is_undecided_is_named() -> None:
    """Protects whoever reads the log: it says which elements the sandbox has no rule for."""
    undecided = denying(Principal={"Federated": "*"}, Condition={"StringEquals": {"aws:RequestedRegion": "us-west-2"}})
    with pytest.raises(CannotDecideError, match="Principal, Condition StringEquals aws:RequestedRegion"):
        admitted(ALLOW, undecided)


@pytest.mark.parametrize(
    "elements",
    [
        {"Condition": {"StringEquals": {SUB: "someone-else"}}},
        {"Principal": {"Service": "ec2.amazonaws.com"}, "Condition": {"StringEquals": {SUB: WORKER}}},
        {"Action": "sts:AssumeRole"},
    ],
)
@pytest.mark.parametrize(
    "beside",
    [
        {"Resource": "*"},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2999-01-01"}, "StringEquals": {SUB: "someone-else"}}},
        {"Principal": {"Federated": "*"}, "Condition": {"StringEquals": {SUB: "someone-else"}}},
    ],
)
def test_an_element_that_does_not_match_decides_alone(elements: dict[str, Any], beside: dict[str, Any]) -> None:
    """Protects from refusing too much: a statement with one element that does not match is not about the request."""
    assert admitted(ALLOW, denying(**{**beside, **elements}))


@pytest.mark.parametrize(
    "elements",
    [
        {"Principal": "*"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": ["arn:aws:iam::111122223333:user/admin", "*"]}},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:root", "Federated": [PROVIDER]}},
        {"Action": ["sts:TagSession", "STS:assumerole*"]},
        {"Condition": {"StringNotEquals": {SUB: "someone-else"}, "Null": {SUB: [False]}}},
        {"Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
        {"Condition": {"StringNotLikeIfExists": {"aws:SourceVpc": "vpc-*"}}},
        {"Condition": {"StringEquals": {f"{ISSUER.upper()}:SUB": [WORKER, "another"]}}},
        # Absent are the keys of VPC endpoints and of other providers.
        {"Condition": {"Null": dict.fromkeys(("aws:SourceVpcArn", "aws:SourceVpce", "aws:VpcSourceIp"), "true")}},
        {"Condition": {"Null": {"oidc.eks.us-west-2.amazonaws.com/id/ELSEWHERE:aud": "true"}}},
        {"Condition": {"StringNotEquals": {"accounts.google.com:sub": WORKER}}},
    ],
)
def test_a_statement_about_the_request(elements: dict[str, Any]) -> None:
    """Protects the ways to name everybody, and each known operator: the same statement allows and denies."""
    assert admitted({**denying(**elements), "Effect": "Allow"})
    assert not admitted(ALLOW, denying(**elements))


@pytest.mark.parametrize(
    "elements",
    [
        {"Principal": {"Federated": PROVIDER + "2"}},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:role/admin"}},
        {"Principal": {"Service": ["ec2.amazonaws.com", "eks.amazonaws.com"]}},
        {"Action": "sts:AssumeRole"},
        {"Condition": {"StringNotEquals": {SUB: WORKER}}},
        {"Condition": {"Null": {SUB: "true"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}}},
        {"Condition": {"StringEqualsIgnoreCase": {SUB: "someone-else"}}},
        {"Condition": {"StringEquals": {"oidc.eks.us-west-2.amazonaws.com/id/ELSEWHERE:sub": WORKER}}},
        {"Condition": {"StringEquals": {"aws:SourceVpcArn": "arn:aws:ec2:us-west-2:111122223333:vpc/vpc-0abc"}}},
        {"Condition": {"IpAddress": {"aws:VpcSourceIp": "0.0.0.0/0"}}},
        {"Condition": {"StringEquals": {SUB: "system:serviceaccount:team-b:*"}}},
    ],
)
def test_a_statement_about_others(elements: dict[str, Any]) -> None:
    """Protects from refusing what AWS grants: statements about others neither allow nor deny."""
    assert not admitted({**denying(**elements), "Effect": "Allow"})
    assert admitted(ALLOW, denying(**elements))


PRINCIPALS: list[Any] = ["*", {"AWS": "*"}, {"Federated": [PROVIDER]},
    {"Federated": PROVIDER + "2"}, {"Federated": "*"},
    {"Service": "ec2.amazonaws.com"}, {"AWS": "arn:aws:iam::111122223333:role/admin"}]  # fmt: skip
OPERATORS = [
    positive + suffix
    for positive in ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase")
    for suffix in ("", "IfExists")
]
KEYS = [SUB, SUB.upper(), f"{ISSUER}:aud", "oidc.eks.us-west-2.amazonaws.com/id/ELSEWHERE:sub", "aws:RequestedRegion"]
VALUES = [WORKER, WORKER.upper(), "*", "system:serviceaccount:team-?:*", "sts.amazonaws.com", "us-west-2"]
CONDITIONS = st.dictionaries(
    st.sampled_from(OPERATORS),
    st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from(VALUES), min_size=1, max_size=2), min_size=1),
    max_size=2,
)
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Principal": st.sampled_from(PRINCIPALS),
        "Action": st.sampled_from(["sts:AssumeRoleWithWebIdentity", "STS:assumerole*", ["sts:AssumeRole"]]),
        "Condition": CONDITIONS,
    }
)


@given(st.lists(STATEMENTS, min_size=1, max_size=3))
@settings(max_examples=500)
def test_neither_evaluator_contradicts_the_other(statements: list[dict[str, Any]]) -> None:
    """Protects from a mistake in one of the two: they share no code, and what both decide, they decide alike."""
    policy = {"Version": "2012-10-17", "Statement": statements}
    request = WebIdentityRequest(f"https://{ISSUER}", PROVIDER, WORKER, "sts.amazonaws.com")
    product = evaluate(policy, request).decision
    try:
        sandbox = Decision.ALLOWED if trusts(policy, PROVIDER, REQUEST) else Decision.DENIED
    except CannotDecideError:
        return
    assert product in (sandbox, Decision.CANNOT_DECIDE)


def test_a_pattern_with_many_ways_to_match_takes_one() -> None:
    """The attack: a trust policy of 62 characters more, for which STS did not answer in hours."""
    request = {**REQUEST, SUB: f"system:serviceaccount:team-a:{'a' * 60}"}
    statement = {**ALLOW, "Condition": {"StringLike": {SUB: "*a" * 30 + "*b"}}}

    assert not trusts({"Version": "2012-10-17", "Statement": statement}, PROVIDER, request)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_matches_what_its_wildcards_stand_for(pattern: str, text: str) -> None:
    """Protects the one way that is tried, by the two lines that define the wildcards."""

    def matches(pattern: str, text: str) -> bool:
        if pattern[:1] == "*":
            return any(matches(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:]) if pattern else not text

    statement = {**ALLOW, "Condition": {"StringLike": {SUB: pattern}}}
    assert trusts({"Statement": statement}, PROVIDER, {**REQUEST, SUB: text}) == matches(pattern, text)
