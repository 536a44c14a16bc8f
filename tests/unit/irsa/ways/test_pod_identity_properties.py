"""Trust policies for EKS Pod Identity: whom they admit, against the sandbox's judge, which shares no code with irsa.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
"""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, PodIdentityRequest, evaluate
from irsa.rules.mistakes import Mistake
from irsa.ways import TrustParts, trust_document
from irsa.ways.pod_identity import check_conditions
from sandbox.sts_decision import trusts_service

PODS, ACTIONS = "pods.eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession")
CLUSTERS = [f"arn:aws:eks:us-west-2:111122223333:cluster/{name}" for name in ("blue", "green", "test")]
NAMES = ["a", "b", "app"]
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"
SUBJECTS = st.lists(st.sampled_from([f"{a}:{b}" for a in NAMES for b in NAMES]), min_size=1, max_size=4)
CHOSEN = st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=3)


def context(cluster: str, namespace: str, name: str, session_tags: bool) -> dict[str, str]:
    """Return what EKS sends for the Pod of a service account, as the pages above have it."""
    tags = {
        "eks-cluster-arn": cluster,
        "eks-cluster-name": cluster.rpartition("/")[2],
        "kubernetes-namespace": namespace,
        "kubernetes-service-account": name,
        "kubernetes-pod-name": f"{name}-0",
        "kubernetes-pod-uid": "1",
    }
    source = {"aws:SourceArn": cluster, "aws:SourceAccount": "111122223333"}
    return {**source, **({f"aws:RequestTag/{key}": value for key, value in tags.items()} if session_tags else {})}


def admitted(document: str, session_tags: bool) -> set[tuple[str, str]]:
    """Return each cluster and `namespace:name` that is admitted, of all that there are."""
    policy: dict[str, Any] = json.loads(document)
    return {
        (cluster, f"{namespace}:{name}")
        for cluster, namespace, name in itertools.product(CLUSTERS, NAMES, NAMES)
        if trusts_service(policy, PODS, ACTIONS, context(cluster, namespace, name, session_tags))
    }


@given(SUBJECTS, CHOSEN, st.booleans())
def test_it_admits_the_service_accounts_of_its_clusters_alone(
    subjects: Sequence[str], clusters: Sequence[str], irsa: bool
) -> None:
    document = trust_document(TrustParts([PROVIDER] if irsa else [], subjects, cluster_arns=clusters))
    assert admitted(document, session_tags=True) == {*itertools.product(clusters, subjects)}
    # An association without session tags gets nothing: the keys are not there.
    assert admitted(document, session_tags=False) == set()


@given(SUBJECTS, CHOSEN)
def test_without_tags_it_admits_its_clusters_alone(subjects: Sequence[str], clusters: Sequence[str]) -> None:
    document = trust_document(TrustParts([], subjects, cluster_arns=clusters, session_tags=False))
    for session_tags in (False, True):
        assert {cluster for cluster, _ in admitted(document, session_tags)} == {*clusters}


@given(SUBJECTS, CHOSEN, st.booleans())
def test_the_same_input_makes_the_same_text(subjects: list[str], clusters: list[str], tags: bool) -> None:
    providers = [PROVIDER, PROVIDER.replace("/A", "/B")]
    document = trust_document(TrustParts(providers, subjects, cluster_arns=clusters, session_tags=tags))
    other, again = [*reversed(clusters), clusters[0]], [*reversed(subjects), subjects[0]]
    assert trust_document(TrustParts(providers[::-1], again, cluster_arns=other, session_tags=tags)) == document


def test_wildcards_stay_those_of_irsa() -> None:
    document = trust_document(TrustParts([PROVIDER], ["a:*", "b:app"], cluster_arns=CLUSTERS[:1]))
    assert admitted(document, session_tags=True) == {(CLUSTERS[0], "b:app")}
    assert '"system:serviceaccount:a:*"' in document


@given(SUBJECTS, st.sampled_from(["StringLike", "StringEquals"]))
def test_a_further_condition_narrows(subjects: list[str], operator: str) -> None:
    parts = TrustParts([], subjects, conditions={operator: {"aws:RequestTag/eks-cluster-name": "blue"}})
    document = trust_document(parts._replace(cluster_arns=CLUSTERS[:2]))
    assert admitted(document, session_tags=True) == {(CLUSTERS[0], subject) for subject in subjects}
    parts = TrustParts([], subjects, conditions={operator: {"aws:RequestTag/team": "x"}}, cluster_arns=CLUSTERS)
    for tags in (True, False):
        assert admitted(trust_document(parts._replace(session_tags=tags)), tags) == set()


@pytest.mark.parametrize(
    "key",
    [
        *("aws:RequestTag/eks-cluster-arn", "aws:requesttag/kubernetes-namespace", "aws:SourceArn"),
        *("aws:RequestTag/kubernetes-service-account", "AWS:SourceAccount"),
    ],
)
def test_irsa_writes_some_conditions_itself(key: str) -> None:
    with pytest.raises(Mistake, match="writes itself"):
        check_conditions({"StringLike": {key: "*"}}, session_tags=True, irsa=False)


@pytest.mark.parametrize(
    "key",
    [
        *("aws:RequestTag/team", "AWS:requesttag/eks-cluster-arn ", "aws:RequestTag/", "aws:PrincipalTag/team"),
        *("STS:ExternalId", "AWS:PrincipalTag/a/b"),
    ],
)
@pytest.mark.parametrize("session_tags", [True, False])
def test_a_condition_that_eks_never_meets_is_refused(key: str, session_tags: bool) -> None:
    conditions = {"StringLike": {key: "*"}}
    parts = TrustParts([], ["a:app"], conditions=conditions, cluster_arns=CLUSTERS, session_tags=session_tags)
    never = trust_document(parts)
    assert admitted(never, session_tags) == set()
    with pytest.raises(Mistake, match=r"not a session tag|no request"):
        check_conditions(conditions, session_tags, irsa=False)


@pytest.mark.parametrize("tag", ["eks-cluster-name", "kubernetes-pod-name", "kubernetes-pod-uid"])
def test_a_condition_on_what_eks_sends_is_allowed(tag: str) -> None:
    check_conditions({"StringLike": {f"aws:RequestTag/{tag}": "*"}}, session_tags=True, irsa=False)


# Of a/app in a cluster; what only the Pod knows is no part of a request.
KEYS = [key for key in context(CLUSTERS[0], "a", "app", session_tags=True) if "pod" not in key]
VALUES = [*CLUSTERS[:2], "blue", *NAMES, "111122223333"]
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Principal": st.sampled_from([{"Service": each} for each in (PODS, PODS, "ec2.amazonaws.com")]),
        "Action": st.lists(st.sampled_from([*ACTIONS, "sts:*", "s3:*"]), min_size=1),
        "Condition": st.dictionaries(
            st.sampled_from([*KEYS, "aws:RequestTag/team"]),
            st.lists(st.sampled_from(VALUES), min_size=1),
            max_size=3,
        ).map(lambda conditions: {"StringEquals": conditions} if conditions else {}),
    }
)


@given(st.lists(STATEMENTS, max_size=3), st.booleans())
def test_it_admits_whom_the_judge_does(statements: list[dict[str, Any]], with_tags: bool) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}
    admits = trusts_service(document, PODS, ACTIONS[: 1 + with_tags], context(CLUSTERS[0], "a", "app", with_tags))
    expected = Decision.ALLOWED if admits else Decision.DENIED

    request = PodIdentityRequest("a", "app", CLUSTERS[0], session_tags=with_tags)
    assert evaluate(document, request).decision is expected
    # Without the cluster, what depends on it cannot be decided, and nothing else changes.
    unknown = evaluate(document, PodIdentityRequest("a", "app", session_tags=with_tags)).decision
    assert unknown in (expected, Decision.CANNOT_TELL)


def test_what_only_the_pod_knows_cannot_be_decided() -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": PODS},
        "Action": [*ACTIONS],
        "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-pod-name": "app-0"}},
    }
    decision = evaluate({"Statement": statement}, PodIdentityRequest("a", "app", CLUSTERS[0])).decision
    assert decision is Decision.CANNOT_TELL
