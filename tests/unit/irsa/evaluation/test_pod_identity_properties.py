"""Trust policies for EKS Pod Identity, against an independent statement of what AWS documents.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
"""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, PodIdentityRequest, evaluate

CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/prod"
OTHER = "arn:aws:eks:us-west-2:111122223333:cluster/test"
# What STS knows of the request of an association of a/app in the cluster, as the pages above list it.
TAGS = {
    "aws:RequestTag/eks-cluster-arn": CLUSTER,
    "aws:RequestTag/eks-cluster-name": "prod",
    "aws:RequestTag/kubernetes-namespace": "a",
    "aws:RequestTag/kubernetes-service-account": "app",
}
SOURCE = {"aws:SourceArn": CLUSTER, "aws:SourceAccount": "111122223333"}
VALUES = [CLUSTER, OTHER, "prod", "a", "app", "b", "111122223333"]
CONDITIONS = st.dictionaries(
    st.sampled_from([*TAGS, *SOURCE, "aws:RequestTag/team"]), st.lists(st.sampled_from(VALUES), min_size=1), max_size=3
)
ACTIONS = st.lists(st.sampled_from(["sts:AssumeRole", "sts:TagSession", "sts:*", "s3:*"]), min_size=1)
PRINCIPALS = st.sampled_from(["pods.eks.amazonaws.com", "pods.eks.amazonaws.com", "ec2.amazonaws.com"])
STATEMENTS = st.tuples(st.sampled_from(["Allow", "Allow", "Deny"]), PRINCIPALS, ACTIONS, CONDITIONS)
Statement = tuple[str, str, list[str], Mapping[str, list[str]]]


def applies(statement: Statement, action: str, values: Mapping[str, str]) -> bool:
    _, principal, actions, conditions = statement
    return (
        principal == "pods.eks.amazonaws.com"
        and any(each in (action, "sts:*") for each in actions)
        and all(values.get(key) in wanted for key, wanted in conditions.items())
    )


def admits(statements: list[Statement], with_tags: bool) -> bool:
    values = {**(TAGS if with_tags else {}), **SOURCE}
    for action in ("sts:AssumeRole", *(["sts:TagSession"] if with_tags else [])):
        effects = {each[0] for each in statements if applies(each, action, values)}
        if effects != {"Allow"}:
            return False
    return True


@given(st.lists(STATEMENTS, max_size=3), st.booleans())
def test_it_admits_whom_the_pages_say(statements: list[Statement], with_tags: bool) -> None:
    document: dict[str, Any] = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": effect,
                "Principal": {"Service": principal},
                "Action": actions,
                "Condition": {"StringEquals": conditions},
            }
            for effect, principal, actions, conditions in statements
        ],
    }
    request = PodIdentityRequest("a", "app", CLUSTER, session_tags=with_tags)

    expected = Decision.ALLOWED if admits(statements, with_tags) else Decision.DENIED
    assert evaluate(document, request).decision is expected
    # Without the cluster, what depends on it cannot be decided, and nothing else changes.
    unknown = evaluate(document, PodIdentityRequest("a", "app", session_tags=with_tags)).decision
    assert unknown in (expected, Decision.CANNOT_DECIDE)


def test_what_only_the_pod_knows_cannot_be_decided() -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-pod-name": "app-0"}},
    }
    decision = evaluate({"Statement": statement}, PodIdentityRequest("a", "app", CLUSTER)).decision

    assert decision is Decision.CANNOT_DECIDE
