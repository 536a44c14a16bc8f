"""The sandbox's decision on a trust policy: what AWS documents is decided, everything else is refused.

Principals: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
Operators: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
Of EKS and target roles: pod-id-role.html, pod-id-abac.html and pod-id-assign-target-role.html in
https://docs.aws.amazon.com/eks/latest/userguide/
"""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from sandbox.sts_decision import CannotDecideError, trusts, trusts_service

ACCOUNT = "111122223333"
ISSUER, ELSEWHERE = (f"oidc.eks.us-west-2.amazonaws.com/id/{each}" for each in ("EXAMPLE", "ELSEWHERE"))
PROVIDER, ROOT = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}", f"arn:aws:iam::{ACCOUNT}:root"
SUB, WORKER = f"{ISSUER}:sub", "system:serviceaccount:team-b:worker"
REQUEST = {SUB: WORKER, f"{ISSUER}:aud": "sts.amazonaws.com", "aws:SourceIp": "127.0.0.1"}
ALLOW = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}


def when(**condition: Any) -> dict[str, Any]:
    return {"Condition": condition}


def principal(**named: Any) -> dict[str, Any]:
    return {"Principal": named}


PRINCIPALS: list[Any] = ["*", {"AWS": "*"}, {"Federated": [PROVIDER]},
    {"Federated": PROVIDER + "2"}, {"Federated": "*"},
    {"Service": "ec2.amazonaws.com"}, {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}]  # fmt: skip
OPERATORS = [
    positive + suffix
    for positive in ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase")
    for suffix in ("", "IfExists")
]
KEYS = [SUB, SUB.upper(), f"{ISSUER}:aud", f"{ELSEWHERE}:sub", "aws:RequestedRegion"]
VALUES = [WORKER, WORKER.upper(), "*", "system:serviceaccount:team-?:*", "sts.amazonaws.com", "us-west-2"]
CONDITIONS = st.dictionaries(
    st.sampled_from(OPERATORS),
    st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from(VALUES), min_size=1, max_size=2), min_size=1),
    max_size=2,
)
GENERATED = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Principal": st.sampled_from(PRINCIPALS),
        "Action": st.sampled_from(["sts:AssumeRoleWithWebIdentity", "STS:assumerole*", ["sts:AssumeRole"]]),
        "Condition": CONDITIONS,
    }
)


@given(st.lists(GENERATED, min_size=1, max_size=3))
@settings(max_examples=200)
def test_neither_evaluator_contradicts_the_other(statements: list[dict[str, Any]]) -> None:
    policy = {"Version": "2012-10-17", "Statement": statements}
    request = WebIdentityRequest(PROVIDER, WORKER, "sts.amazonaws.com")
    product = evaluate(policy, request).decision
    with suppress(CannotDecideError):
        sandbox = Decision.ALLOWED if trusts(policy, PROVIDER, REQUEST) else Decision.DENIED
        assert product in (sandbox, Decision.CANNOT_TELL)


def test_a_pattern_with_many_ways_to_match_takes_one() -> None:
    """The attack: a trust policy of 62 characters more, for which STS did not answer in hours."""
    request = {**REQUEST, SUB: f"system:serviceaccount:team-a:{'a' * 60}"}
    statement = {**ALLOW, **when(StringLike={SUB: "*a" * 30 + "*b"})}
    assert not trusts({"Version": "2012-10-17", "Statement": statement}, PROVIDER, request)


# Where EKS asks for a role, with session tags and without, whose keys are then absent.
PODS, BOTH = "pods.eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession")
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/green"
NAMESPACE, NAME = (f"aws:RequestTag/kubernetes-{each}" for each in ("namespace", "service-account"))
TAGS = {"aws:RequestTag/eks-cluster-arn": CLUSTER, NAMESPACE: "web", NAME: "app"}
SOURCE = {"aws:SourceArn": CLUSTER, "aws:SourceAccount": ACCOUNT}
FOR_PODS = {"Effect": "Allow", "Principal": {"Service": PODS}, "Action": list(BOTH)}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/irsa/app"


def of_pods(*changes: dict[str, Any]) -> list[bool | None]:
    """Return the decisions with tags and without, None for what cannot be decided."""
    found: list[bool | None] = []
    for actions, tags in ((BOTH, TAGS), (BOTH[:1], {})):
        try:
            statements = [{**FOR_PODS, **each} for each in changes]
            found.append(trusts_service({"Statement": statements}, PODS, actions, {**SOURCE, **tags}))
        except CannotDecideError:
            found.append(None)
    return found


def deny(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Deny", **elements}


@pytest.mark.parametrize(
    ("statements", "decisions"),
    [
        ([{}], [True, True]),
        ([when(StringEquals={"aws:requesttag/KUBERNETES-namespace": ["batch", "web"]})], [True, False]),
        ([when(StringLike={NAME: "a*"})], [True, False]),
        ([when(StringEqualsIfExists={NAMESPACE: "web"})], [True, True]),
        ([when(StringNotEquals={NAMESPACE: "web"})], [False, True]),
        ([when(Null={NAMESPACE: "true"})], [False, True]),
        ([when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnEquals={"aws:SourceArn": CLUSTER})], [True, True]),
        ([when(ArnEquals={"aws:SourceArn": [CLUSTER + "2", CLUSTER]})], [True, True]),
        ([when(ArnLike={"aws:SourceArn": f"arn:aws:eks:*:{ACCOUNT}:cluster/*"})], [True, True]),
        ([when(ArnEquals={"aws:SourceArn": CLUSTER.replace("us-west-2", "eu-west-1")})], [False, False]),
        ([when(ArnNotEquals={"aws:SourceArn": CLUSTER})], [False, False]),
        ([when(StringEquals={"sts:ExternalId": "x"})], [False, False]),
        # Each action may be in a statement of its own.
        ([{"Action": action} for action in BOTH], [True, True]),
        (
            [{"Action": BOTH[0]}, {"Action": BOTH[1], **when(StringEquals={"aws:RequestTag/team": "a"})}],
            [False, True],
        ),
        ([principal(Service=["ec2.amazonaws.com", PODS])], [True, True]),
        # A service is nobody of an account.
        *(([principal(AWS=each)], [False, False]) for each in (ROOT, ROLE)),
        ([{}, deny(Principal="*")], [None, None]),
        # No page says the value of these.
        ([{"Principal": "*"}], [None, None]),
        ([when(StringEquals={"aws:SourceOrgID": "o-1"})], [None, None]),
        ([when(IpAddress={"aws:SourceIp": "127.0.0.1"})], [None, None]),
        ([when(StringEquals={"aws:SourceVpc": "vpc-1"})], [None, None]),
        ([when(**{"ForAllValues:StringEquals": {"aws:TagKeys": ["eks-cluster-arn"]}})], [None, None]),
        ([when(ArnEquals={"aws:SourceArn": "*"})], [None, None]),
    ],
)
def test_what_admits_a_pod(statements: list[dict[str, Any]], decisions: list[bool | None]) -> None:
    assert of_pods(*statements) == decisions
