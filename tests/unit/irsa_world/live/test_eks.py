"""Reading EKS Pod Identity: each association, at a cost that is known, and nothing in place of a denial."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from irsa.evaluation import PodIdentityRequest
from irsa_world.issuers import eks_region
from irsa_world.live.eks import EksClient
from irsa_world.model import Association
from tests.unit.irsa_world.live.eks_answers import ACCOUNT, REGION, Eks, association

CLUSTER_ARN = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/blue"


def test_everything_that_eks_says_of_an_association_is_read() -> None:
    settings: dict[str, Any] = {
        "ownerArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:addon/blue/aws-ebs-csi-driver/1234",
        "disableSessionTags": True,
        "targetRoleArn": "arn:aws:iam::444455556666:role/target",
        "policy": '{"Version":"2012-10-17","Statement":[]}',
        "externalId": f"{REGION}/{ACCOUNT}/blue/web/app",
        "tags": {"team": "a"},
    }
    eks = Eks(association("blue", 1, "web", "app", **settings), association("blue", 2, "web", "other"))
    other, found = sorted(EksClient(eks.session, REGION).associations("blue"), key=lambda each: each.owner_arn)

    assert found == Association(
        CLUSTER_ARN,
        "web",
        "app",
        f"arn:aws:iam::{ACCOUNT}:role/app",
        "a-1",
        f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/blue/a-1",
        settings["ownerArn"],
        False,
        settings["targetRoleArn"],
        settings["policy"],
        settings["externalId"],
        {"team": "a"},
    )
    assert (found.cluster.name, found.cluster.account_id, found.owner) == ("blue", ACCOUNT, "addon/aws-ebs-csi-driver")
    assert found.request == PodIdentityRequest("web", "app", CLUSTER_ARN, session_tags=False)
    assert other.request == PodIdentityRequest("web", "other", CLUSTER_ARN, session_tags=True)
    arn = f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/blue/a-2"
    assert other == Association(CLUSTER_ARN, "web", "other", f"arn:aws:iam::{ACCOUNT}:role/other", "a-2", arn)
    # It is looked up in sets.
    assert {found, replace(found)} == {found}


@pytest.mark.parametrize("owner_arn", ["", "arn:aws:eks:us-west-2:1:capability/b/ack/1", "odd"])
def test_an_owner_of_another_kind_is_named_whole(owner_arn: str) -> None:
    assert Association(CLUSTER_ARN, "a", "b", "c", "d", owner_arn=owner_arn).owner == owner_arn


def test_each_is_asked_for_once_and_each_page_too() -> None:
    eks = Eks(*(association("blue", number, "web", f"app-{number:03}") for number in range(250)))
    found = EksClient(eks.session, REGION).associations("blue")

    assert [each.service_account for each in found] == [f"app-{number:03}" for number in range(250)]
    assert Counter(name for name, _ in eks.asked) == {
        "ListPodIdentityAssociations": 3,
        "DescribePodIdentityAssociation": 250,
    }


def test_one_that_is_deleted_meanwhile_is_left_out() -> None:
    eks = Eks(association("blue", 1, "web", "app"), association("blue", 2, "web", "gone"))
    listed = eks.associations["blue"]

    def without() -> None:
        listed.pop("a-2", None)

    eks.instead["DescribePodIdentityAssociation"] = without

    assert [str(each) for each in EksClient(eks.session, REGION).associations("blue")] == ["web/app"]
    assert EksClient(Eks().session, REGION).associations("blue") == []


BLUE = "oidc.eks.us-west-2.amazonaws.com/id/BLUE"


@pytest.mark.parametrize(
    ("issuer", "region"),
    [
        # https://docs.aws.amazon.com/general/latest/gr/eks.html
        (BLUE, "us-west-2"),
        ("oidc.eks.cn-north-1.amazonaws.com.cn/id/BLUE", "cn-north-1"),
        ("oidc.eks.us-gov-west-1.amazonaws.com/id/BLUE", "us-gov-west-1"),
        ("oidc-eks.us-west-2.api.aws/id/BLUE", "us-west-2"),
        ("token.actions.githubusercontent.com", ""),
        ("oidc.example.com/prod", ""),
        ("example.com/oidc.eks.us-west-2.amazonaws.com/id/BLUE", ""),
    ],
)
def test_the_region_of_an_issuer(issuer: str, region: str) -> None:
    assert eks_region(issuer) == region
