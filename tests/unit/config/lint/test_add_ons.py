from collections.abc import Mapping
from typing import Any

import pytest

from irsa.add_ons.document import managed_policies
from tests.unit.config.lint.scene import inline, policy, warnings
from tests.unit.irsa.add_ons.every_add_on import Rendered, all_documents
from tests.world import document

DNS = {"serviceAccount": {"name": "external-dns", "namespace": "external-dns"}}
# Its own example: https://kubernetes-sigs.github.io/external-dns/latest/docs/tutorials/aws/#iam-policy
UPSTREAM = [
    {
        "Effect": "Allow",
        "Action": [
            "route53:ChangeResourceRecordSets",
            "route53:ListResourceRecordSets",
            "route53:ListTagsForResources",
        ],
        "Resource": ["arn:aws:route53:::hostedzone/*"],
    },
    {"Effect": "Allow", "Action": ["route53:ListHostedZones"], "Resource": ["*"]},
]


@pytest.mark.parametrize(
    ("binding", "judged"),
    [
        (DNS, True),
        ({"trust": {"subjects": ["external-dns:external-dns"]}}, True),
        ({"serviceAccount": {"name": "external-dns", "namespace": "networking"}}, True),
        # Any collector of metrics may have this name.
        ({"serviceAccount": {"name": "cloudwatch-agent", "namespace": "team-a"}}, False),
        ({"serviceAccount": {"name": "cloudwatch-agent", "namespace": "amazon-cloudwatch"}}, True),
        ({"serviceAccount": {"name": "external-dns-webhook", "namespace": "external-dns"}}, False),
        ({**DNS, "trust": {"subjects": ["external-dns:other"]}}, False),
        ({"trust": {"subjects": ["external-dns:external-*"]}}, False),
    ],
)
def test_for_whom_a_policy_is(binding: Mapping[str, Any], judged: bool) -> None:
    action = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-west-2:111122223333:q"}
    found = warnings("add-on-policy", {**binding, **policy(action)})

    assert bool(found) is judged


def test_upstreams_own_policy_is_complete() -> None:
    assert warnings("add-on-policy", {**DNS, **policy(*UPSTREAM)}) == []
    listing = {"Effect": "Allow", "Action": "Route53:listhostedzones", "Resource": "*"}
    assert warnings("add-on-policy", {**DNS, **policy(UPSTREAM[0], listing)}) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, True),
        ({"policyArns": ["arn:aws:iam::aws:policy/AmazonRoute53ReadOnlyAccess"]}, False),
        (inline(UPSTREAM[1]), False),
    ],
)
def test_an_action_that_is_absent(more: Mapping[str, Any], said: bool) -> None:
    found = warnings("add-on-policy", {**DNS, **policy(UPSTREAM[0]), **more})

    assert [place for place, _ in found] == (["policy"] if said else [])
    assert all(each.found.endswith("that does not allow route53:ListHostedZones") for _, each in found)


def test_what_aws_gives_for_everything_is_no_reason_to_need_nothing() -> None:
    """https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverPolicy.html."""
    driver = {"serviceAccount": {"name": "ebs-csi-controller-sa", "namespace": "kube-system"}}
    lists = {"Effect": "Allow", "Action": "ec2:DescribeVolumes", "Resource": "*"}
    ((_, mistake),) = warnings("add-on-policy", {**driver, **policy(lists)})

    assert "ec2:AttachVolume" in mistake.found


DENIES = {"Effect": "Deny", "NotAction": "route53:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ([{"Action": ["s3:GetObject", "route53:ListHostedZones"]}], "s3:GetObject"),
        ([{"Action": "ec2:*"}], "ec2:* (such as ec2:"),
        ([{"Action": "*"}], "all actions"),
        ([{"NotAction": "iam:*"}], "all but NotAction"),
        ([{"Action": "ec2:*"}, DENIES], None),
        ([{"Action": "s3:GetObject", "Condition": {"StringEquals": {"aws:ResourceTag/a": "b"}}}], None),
        ([{"Action": "s3:GetObject", "Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}/*"}], None),
        ([{"Action": "s3:GetObject", "Effect": "Deny"}], None),
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53.html: it is one action
        # that matches the first pattern, and the second one is matched by ListHostedZonesByVPC, too.
        ([{"Action": "route53:ListResourceRecordSet*"}], None),
        ([{"Action": "route53:ListHostedZone*"}], "route53:ListHostedZone* (such as route53:ListHostedZonesBy"),
        ([{"Action": "route53:DeleteHostedZone"}], "route53:DeleteHostedZone"),
    ],
)
def test_an_action_that_it_never_had(statements: list[dict[str, Any]], said: str | None) -> None:
    written = [{"Effect": "Allow", "Resource": "*", **each} for each in statements]
    found = warnings("add-on-policy", {**DNS, **policy(*UPSTREAM, *written)})

    at = f"policy.document.Statement.2.{next(iter(statements[0]))}"
    assert [place for place, _ in found] == ([at] if said else [])
    assert all(each.found.startswith(str(said)) for _, each in found)
    assert all("which external-dns never needed" in each.found for _, each in found)


# What irsa itself deploys, where no policy of AWS has the rest.
DEPLOYED = [
    each
    for each in all_documents()
    if each.partition == "aws" and not managed_policies(each.add_on, each.version, each.scope)
]


@pytest.mark.parametrize("deployed", DEPLOYED, ids=lambda each: f"{each.add_on.name}-{each.version}-{each.scope}")
def test_what_irsa_writes_itself_is_right(deployed: Rendered) -> None:
    each, pasted = deployed.add_on, deployed.document["Statement"]
    account = {"serviceAccount": {"name": each.service_account, "namespace": each.namespace}}
    halves = [half for half in (pasted[::2], pasted[1::2]) if half]
    found = warnings(
        "add-on-policy",
        {**account, "inlinePolicies": {f"p{n}": {"document": document(*half)} for n, half in enumerate(halves)}},
    )

    assert deployed.version != each.newest or not found
    assert not [mistake for _, mistake in found if "never needed" in mistake.found]
