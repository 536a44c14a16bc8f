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
from sandbox.sts_decision import CannotDecideError, permits, trusts, trusts_role, trusts_service

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
ISSUER, ELSEWHERE = (f"oidc.eks.us-west-2.amazonaws.com/id/{each}" for each in ("EXAMPLE", "ELSEWHERE"))
PROVIDER, ROOT = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}", f"arn:aws:iam::{ACCOUNT}:root"
SUB, WORKER = f"{ISSUER}:sub", "system:serviceaccount:team-b:worker"
REQUEST = {SUB: WORKER, f"{ISSUER}:aud": "sts.amazonaws.com", "aws:SourceIp": "127.0.0.1"}
ALLOW = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
ABOUT_IT, ABOUT_OTHERS, UNKNOWN = True, False, None


def admitted(*statements: Any) -> bool:
    return trusts({"Version": "2012-10-17", "Statement": list(statements)}, PROVIDER, REQUEST)


def when(**condition: Any) -> dict[str, Any]:
    return {"Condition": condition}


def principal(**named: Any) -> dict[str, Any]:
    return {"Principal": named}


# Elements of a statement, where None leaves one out, and whether the statement is about the request.
STATEMENTS: list[tuple[dict[str, Any], bool | None]] = [
    # The ways to name everybody.
    ({"Principal": "*"}, ABOUT_IT),
    (principal(AWS="*"), ABOUT_IT),
    (principal(AWS=[f"arn:aws:iam::{ACCOUNT}:user/admin", "*"]), ABOUT_IT),
    (principal(AWS=ROOT, Federated=[PROVIDER]), ABOUT_IT),
    (principal(Federated=PROVIDER + "2"), ABOUT_OTHERS),
    (principal(AWS=f"arn:aws:iam::{ACCOUNT}:role/admin"), ABOUT_OTHERS),
    (principal(Service=["ec2.amazonaws.com", "eks.amazonaws.com"]), ABOUT_OTHERS),
    # AWS documents "*" as everybody alone and under AWS, and refuses it inside of an ARN.
    (principal(Federated="*"), UNKNOWN),
    (principal(Federated=[PROVIDER + "2", "*"]), UNKNOWN),
    (principal(Federated=f"arn:aws:iam::{ACCOUNT}:oidc-provider/*"), UNKNOWN),
    (principal(Service="*"), UNKNOWN),
    # Nor does it say whether a web identity counts as the account's.
    (principal(AWS=ROOT), UNKNOWN),
    (principal(AWS=ACCOUNT), UNKNOWN),
    (principal(CanonicalUser="79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d"), UNKNOWN),
    (principal(Everybody="x"), UNKNOWN),
    (principal(federated=PROVIDER), UNKNOWN),
    (principal(), UNKNOWN),
    (principal(Federated=[]), UNKNOWN),
    (principal(Federated=[5]), UNKNOWN),
    ({"Principal": ["*"]}, UNKNOWN),
    ({"Principal": None}, UNKNOWN),
    ({"Principal": None, "NotPrincipal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}}, UNKNOWN),
    ({"Action": ["sts:TagSession", "STS:assumerole*"]}, ABOUT_IT),
    ({"Action": "sts:AssumeRole"}, ABOUT_OTHERS),
    ({"Action": None, "NotAction": "sts:TagSession"}, UNKNOWN),
    ({"Action": None}, UNKNOWN),
    ({"Action": []}, UNKNOWN),
    ({"Action": [5]}, UNKNOWN),
    ({"Resource": "*"}, UNKNOWN),
    (when(StringNotEquals={SUB: "someone-else"}, Null={SUB: [False]}), ABOUT_IT),
    (when(NotIpAddress={"aws:SourceIp": "203.0.113.0/24"}), ABOUT_IT),
    (when(StringNotLikeIfExists={"aws:SourceVpc": "vpc-*"}), ABOUT_IT),
    (when(StringEquals={f"{ISSUER.upper()}:SUB": [WORKER, "another"]}), ABOUT_IT),
    # Absent are the keys of VPC endpoints and of other providers.
    (when(Null=dict.fromkeys(("aws:SourceVpcArn", "aws:SourceVpce", "aws:VpcSourceIp"), "true")), ABOUT_IT),
    (when(Null={f"{ELSEWHERE}:aud": "true"}), ABOUT_IT),
    (when(StringNotEquals={"accounts.google.com:sub": WORKER}), ABOUT_IT),
    (when(StringNotEquals={SUB: WORKER}), ABOUT_OTHERS),
    (when(Null={SUB: "true"}), ABOUT_OTHERS),
    (when(IpAddress={"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}), ABOUT_OTHERS),
    (when(StringEqualsIgnoreCase={SUB: "someone-else"}), ABOUT_OTHERS),
    (when(StringEquals={f"{ELSEWHERE}:sub": WORKER}), ABOUT_OTHERS),
    (when(StringEquals={"aws:SourceVpcArn": f"arn:aws:ec2:us-west-2:{ACCOUNT}:vpc/vpc-0abc"}), ABOUT_OTHERS),
    (when(IpAddress={"aws:VpcSourceIp": "0.0.0.0/0"}), ABOUT_OTHERS),
    (when(StringEquals={SUB: "system:serviceaccount:team-b:*"}), ABOUT_OTHERS),
    (when(DateLessThan={"aws:CurrentTime": "2999-01-01T00:00:00Z"}), UNKNOWN),
    *((when(**{operator: {SUB: "x"}}), UNKNOWN) for operator in ("ForAnyValue:StringEquals", "StringEqualsNot")),
    *((when(**{operator: {SUB: WORKER}}), UNKNOWN) for operator in ("NotStringEquals", "NullIfExists")),
    (when(IpNotAddress={"aws:SourceIp": "127.0.0.1"}), UNKNOWN),
    (when(StringEquals={"aws:RequestedRegion": "us-west-2"}), UNKNOWN),
    *((when(Null={key: "true"}), UNKNOWN) for key in (f"{ISSUER}:amr", "aws:RequestTag/a.b:sub")),
    (when(StringEquals={SUB: "${aws:username}"}), UNKNOWN),
    (when(StringEquals={SUB: []}), UNKNOWN),
    (when(StringEquals={SUB: 1227433179}), UNKNOWN),
    (when(StringEquals={}), UNKNOWN),
    (when(StringEquals=[SUB]), UNKNOWN),
    ({"Condition": [{"StringEquals": {SUB: "x"}}]}, UNKNOWN),
    (when(Null={SUB: "FALSE"}), UNKNOWN),
    (when(NotIpAddress={"aws:SourceIp": "localhost"}), UNKNOWN),
    (when(IpAddress={SUB: "127.0.0.1"}), UNKNOWN),
]


@pytest.mark.parametrize(("elements", "about"), STATEMENTS)
def test_a_statement_allows_and_denies_alike(elements: dict[str, Any], about: bool | None) -> None:
    statement = {name: value for name, value in {**ALLOW, **elements}.items() if value is not None}
    denying = {**statement, "Effect": "Deny"}
    if about is not UNKNOWN:
        assert (admitted(statement), admitted(ALLOW, denying)) == (about, not about)
        return
    for statements in ((statement,), (ALLOW, denying)):
        with pytest.raises(CannotDecideError):
            admitted(*statements)
    # One element that does not match decides alone.
    for others in (when(StringEquals={SUB: "someone-else"}), {"Action": "sts:AssumeRole"}):
        if elements.keys().isdisjoint(others):
            assert admitted(ALLOW, {**denying, **others})


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
    request = WebIdentityRequest(f"https://{ISSUER}", PROVIDER, WORKER, "sts.amazonaws.com")
    product = evaluate(policy, request).decision
    with suppress(CannotDecideError):
        sandbox = Decision.ALLOWED if trusts(policy, PROVIDER, REQUEST) else Decision.DENIED
        assert product in (sandbox, Decision.CANNOT_DECIDE)


def test_a_pattern_with_many_ways_to_match_takes_one() -> None:
    """The attack: a trust policy of 62 characters more, for which STS did not answer in hours."""
    request = {**REQUEST, SUB: f"system:serviceaccount:team-a:{'a' * 60}"}
    statement = {**ALLOW, **when(StringLike={SUB: "*a" * 30 + "*b"})}
    assert not trusts({"Version": "2012-10-17", "Statement": statement}, PROVIDER, request)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_matches_what_its_wildcards_stand_for(pattern: str, text: str) -> None:
    def matches(pattern: str, text: str) -> bool:
        if pattern[:1] == "*":
            return any(matches(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:]) if pattern else not text

    statement = {**ALLOW, **when(StringLike={SUB: pattern})}
    assert trusts({"Statement": statement}, PROVIDER, {**REQUEST, SUB: text}) == matches(pattern, text)


# Where EKS asks for a role, with session tags and without, whose keys are then absent.
PODS, BOTH = "pods.eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession")
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/green"
NAMESPACE, NAME = (f"aws:RequestTag/kubernetes-{each}" for each in ("namespace", "service-account"))
TAGS = {"aws:RequestTag/eks-cluster-arn": CLUSTER, NAMESPACE: "web", NAME: "app"}
SOURCE = {"aws:SourceArn": CLUSTER, "aws:SourceAccount": ACCOUNT}
FOR_PODS = {"Effect": "Allow", "Principal": {"Service": PODS}, "Action": list(BOTH)}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/irsa/app"
TARGET = f"arn:aws:iam::{OTHER_ACCOUNT}:role/data-reader"


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
        ([when(StringEquals=TAGS)], [True, False]),
        ([when(StringEquals={**TAGS, NAMESPACE: "other"})], [False, False]),
        ([when(StringEquals={"aws:requesttag/KUBERNETES-namespace": ["batch", "web"]})], [True, False]),
        ([when(StringLike={NAME: "a*"})], [True, False]),
        ([when(StringEqualsIfExists={NAMESPACE: "web"})], [True, True]),
        ([when(StringNotEquals={NAMESPACE: "web"})], [False, True]),
        ([when(Null={NAMESPACE: "true"})], [False, True]),
        ([when(StringEquals={"aws:RequestTag/team": "payments"})], [False, False]),
        ([when(StringEquals={"aws:SourceAccount": ACCOUNT}, ArnEquals={"aws:SourceArn": CLUSTER})], [True, True]),
        ([when(ArnEquals={"aws:SourceArn": [CLUSTER + "2", CLUSTER]})], [True, True]),
        ([when(ArnLike={"aws:SourceArn": f"arn:aws:eks:*:{ACCOUNT}:cluster/*"})], [True, True]),
        ([when(ArnEquals={"aws:SourceArn": CLUSTER.replace("us-west-2", "eu-west-1")})], [False, False]),
        ([when(ArnNotEquals={"aws:SourceArn": CLUSTER})], [False, False]),
        ([when(StringEquals={"aws:SourceAccount": OTHER_ACCOUNT})], [False, False]),
        ([when(StringEquals={"sts:ExternalId": "x"})], [False, False]),
        ([{"Action": "sts:AssumeRole"}], [False, True]),
        ([{"Action": "sts:TagSession"}], [False, False]),
        # Each action may be in a statement of its own.
        ([{"Action": action} for action in BOTH], [True, True]),
        (
            [{"Action": BOTH[0]}, {"Action": BOTH[1], **when(StringEquals={"aws:RequestTag/team": "a"})}],
            [False, True],
        ),
        ([{"Action": "sts:AssumeRoleWithWebIdentity"}], [False, False]),
        ([principal(Service=["ec2.amazonaws.com", PODS])], [True, True]),
        ([principal(Service="eks.amazonaws.com")], [False, False]),
        # A service is nobody of an account.
        *(([principal(AWS=each)], [False, False]) for each in (ROOT, ROLE)),
        ([{}, deny(Action="sts:TagSession")], [False, True]),
        ([{}, deny(**when(StringEquals={NAMESPACE: "web"}))], [False, True]),
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


EXTERNAL = f"us-west-2/{ACCOUNT}/green/web/app"
OF_ACCOUNT = principal(AWS=ACCOUNT)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        *((principal(AWS=each), True) for each in (ROLE, ROOT, ACCOUNT, [f"arn:aws:iam::{OTHER_ACCOUNT}:root", ROLE])),
        ({"Principal": "*"}, True),
        *((principal(AWS=each), False) for each in (f"arn:aws:iam::{OTHER_ACCOUNT}:root", OTHER_ACCOUNT)),
        (principal(AWS=f"arn:aws:iam::{ACCOUNT}:role/app"), False),
        (principal(Service=PODS), False),
        (OF_ACCOUNT | when(StringEquals={"sts:ExternalId": EXTERNAL}, ArnEquals={"aws:PrincipalARN": ROLE}), True),
        (OF_ACCOUNT | when(StringEquals={"sts:ExternalId": EXTERNAL[:-4]}), False),
    ],
)
def test_whom_a_target_role_trusts(elements: dict[str, Any], expected: bool) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **elements}]}
    assert trusts_role(policy, ROLE, BOTH[:1], {"aws:PrincipalArn": ROLE, "sts:ExternalId": EXTERNAL}) is expected


@pytest.mark.parametrize(
    ("resource", "action", "expected"),
    [
        (TARGET, list(BOTH), True),
        ("*", "sts:*", True),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:role/*", "*", True),
        (TARGET, "sts:AssumeRole", False),
        (ROLE, "sts:*", False),
        (TARGET, "s3:*", False),
    ],
)
def test_what_the_first_role_is_permitted(resource: str, action: Any, expected: bool) -> None:
    allowing, denying = (
        {"Statement": [{"Effect": effect, "Action": each, "Resource": on}]}
        for effect, each, on in (("Allow", action, resource), ("Deny", "sts:*", "*"))
    )
    assert [permits(each, TARGET, BOTH, {}) for each in ([allowing], [allowing, denying], [])] == [
        expected,
        False,
        False,
    ]
