import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.later import InvalidArgumentsError, parsed
from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import OUTPUT
from irsa.spec import read
from irsa.ways import parse_identity


def test_the_short_words_are_mappings() -> None:
    assert parse_identity("irsa") == parse_identity({"irsa": "used"})
    assert parse_identity("podIdentity") == parse_identity({"podIdentity": "used"})
    assert parse_identity("both") == parse_identity({"podIdentity": "used", "irsa": "used"})


USES = ["used", "trusted", "absent"]


@pytest.mark.parametrize(("irsa", "pods"), [*itertools.product(USES, USES)][:-1])
def test_what_is_recorded_is_read_again(irsa: str, pods: str) -> None:
    recorded = {way: use for way, use in (("irsa", irsa), ("podIdentity", pods)) if use != "absent"}
    identity = parse_identity(recorded)
    assert identity.recorded == recorded
    assert [way.key for way in identity.used] == [way for way, use in recorded.items() if use == "used"]


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("pod-identity", '"podIdentity"'),
        ("IRSA", '"irsa"'),
        ({"podidentity": "used"}, '"podIdentity"'),
        ({"irsa": "trust"}, '"trusted"'),
        ({"irsa": "absent", "podIdentity": "used"}, "leave it out"),
    ],
)
def test_what_is_nearly_right_is_named(value: Any, advice: str) -> None:
    with pytest.raises(Mistake) as raised:
        parse_identity(value)
    assert advice in raised.value.fix


CLUSTERS = [f"arn:aws:eks:us-west-2:111122223333:cluster/{name}" for name in ("blue", "green", "test")]
POD_IDENTITY: Mapping[str, Any] = {"identity": "podIdentity", "service_account": {"name": "app"}}


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([*CLUSTERS, OUTPUT]), min_size=1))
def test_each_cluster_has_one_key(clusters: dict[str, Any]) -> None:
    """Protects `pulumi up`: EKS refuses a second association of a service account in a cluster.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html#pod-id-considerations
    """
    _, mistakes = read("app", {**POD_IDENTITY, "cluster_arns": clusters})
    known = [each for each in clusters.values() if each is not OUTPUT]
    twice = [place for place, mistake in mistakes if "the same EKS cluster" in mistake.found]
    assert len(twice) == len(known) - len({*known})
    assert all(place[0] == "cluster_arns" for place in twice)


@pytest.mark.parametrize("more", [{}, {"role": {"arn": "arn:aws:iam::111122223333:role/r"}}])
def test_no_cluster_is_none(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentsError, match="Pod Identity without cluster_arns"):
        parsed(read, "app", {**POD_IDENTITY, "cluster_arns": {}, **more})


@pytest.mark.parametrize("number", [50, 51])
def test_an_association_has_fifty_tags(number: int) -> None:
    """Protects `pulumi up`: EKS refuses more than 50.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
    """
    tags = {f"tag-{index}": "" for index in range(number)}
    args = {**POD_IDENTITY, "cluster_arns": {"a": CLUSTERS[0]}, "pod_identity": {"tags": tags}}
    found = [(place, mistake.found) for place, mistake in read("app", args)[1]]
    assert found == ([] if number == 50 else [(("pod_identity", "tags"), "tags of the association: 51")])


def session_policy(size: int) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::"}
    least = len(json.dumps({"Version": "2012-10-17", "Statement": statement}))
    statement["Resource"] += "x" * (size - least)
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.mark.parametrize("size", [2_048, 2_049])
def test_a_session_policy_has_2048_characters(size: int) -> None:
    """Protects Pods: STS refuses a longer one when it is asked for credentials, with white space counted.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    settings = {"session_tags": False, "policy": {"document": session_policy(size)}}
    args = {**POD_IDENTITY, "cluster_arns": dict(zip("ab", CLUSTERS, strict=False)), "pod_identity": settings}
    found = [(place, mistake.found) for place, mistake in read("app", args)[1]]
    too_long = (("pod_identity", "policy", "document"), "characters of the session policy: 2,049")
    assert found == ([] if size == 2_048 else [too_long])


PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"
BOTH = {**POD_IDENTITY, "oidc_provider_arns": [PROVIDER], "cluster_arns": {"a": CLUSTERS[0]}}


@pytest.mark.parametrize(("use", "refused"), [("used", 0), ("trusted", 0), ("", 2)])
def test_an_audience_goes_with_the_statement_of_irsa(use: str, refused: int) -> None:
    ways = {**({"irsa": use} if use else {}), "podIdentity": "used"}
    found = [place for place, _ in read("app", {**BOTH, "identity": ways, "audience": "vault"})[1]]
    assert found == [("oidc_provider_arns",), ("audience",)][:refused]


@pytest.mark.parametrize("names", [["app"], ["other"]])
def test_a_denied_association_is_no_subject(names: list[str]) -> None:
    """Protects who reads `subjects`: whom a Deny statement keeps from an association does not have the role by it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    condition = {"StringEquals": {"aws:RequestTag/kubernetes-service-account": names}}
    pods = {"Service": "pods.eks.amazonaws.com"}
    deny = {"Effect": "Deny", "Principal": pods, "Action": "sts:AssumeRole", "Condition": condition}
    spec, mistakes = read("app", {**BOTH, "identity": "both", "trust": {"statements": [deny]}})
    assert not mistakes
    admission: Any = spec.trust and spec.trust.admission
    assert admission.refused == (("default:app",) if names == ["app"] else ())
