"""Trust policies for EKS Pod Identity, against the sandbox's judge, which shares no code with irsa.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, PodIdentityRequest, evaluate
from sandbox.sts_decision import trusts_service

PODS, ACTIONS = "pods.eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession")
CLUSTER, OTHER = (f"arn:aws:eks:us-west-2:111122223333:cluster/{name}" for name in ("prod", "test"))
# What STS knows of the request of an association of a/app in the cluster, as the pages above list it.
TAGS = {
    "aws:RequestTag/eks-cluster-arn": CLUSTER,
    "aws:RequestTag/eks-cluster-name": "prod",
    "aws:RequestTag/kubernetes-namespace": "a",
    "aws:RequestTag/kubernetes-service-account": "app",
}
SOURCE = {"aws:SourceArn": CLUSTER, "aws:SourceAccount": "111122223333"}
VALUES = [CLUSTER, OTHER, "prod", "a", "app", "b", "111122223333"]
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Principal": st.sampled_from([{"Service": each} for each in (PODS, PODS, "ec2.amazonaws.com")]),
        "Action": st.lists(st.sampled_from([*ACTIONS, "sts:*", "s3:*"]), min_size=1),
        "Condition": st.dictionaries(
            st.sampled_from([*TAGS, *SOURCE, "aws:RequestTag/team"]),
            st.lists(st.sampled_from(VALUES), min_size=1),
            max_size=3,
        ).map(lambda conditions: {"StringEquals": conditions} if conditions else {}),
    }
)


@given(st.lists(STATEMENTS, max_size=3), st.booleans())
def test_it_admits_whom_the_judge_does(statements: list[dict[str, Any]], with_tags: bool) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}
    admits = trusts_service(document, PODS, ACTIONS[: 1 + with_tags], {**SOURCE, **(TAGS if with_tags else {})})
    expected = Decision.ALLOWED if admits else Decision.DENIED

    request = PodIdentityRequest("a", "app", CLUSTER, session_tags=with_tags)
    assert evaluate(document, request).decision is expected
    # Without the cluster, what depends on it cannot be decided, and nothing else changes.
    unknown = evaluate(document, PodIdentityRequest("a", "app", session_tags=with_tags)).decision
    assert unknown in (expected, Decision.CANNOT_DECIDE)


def test_what_only_the_pod_knows_cannot_be_decided() -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": PODS},
        "Action": [*ACTIONS],
        "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-pod-name": "app-0"}},
    }
    decision = evaluate({"Statement": statement}, PodIdentityRequest("a", "app", CLUSTER)).decision
    assert decision is Decision.CANNOT_DECIDE
