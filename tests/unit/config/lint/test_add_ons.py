"""Lint rules about add-ons: the version that is meant, and policies for them that are written by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from irsa.add_ons.catalog import add_on, names
from irsa.add_ons.document import Where, document, managed_policies
from irsa.add_ons.parameters import EVERYTHING, PARAMETERS
from irsa.rules.unknown import SECRET
from irsa_config.located_mistake import LocatedMistake
from irsa_program.examine import examine

ZONES = {"hostedZones": ["Z0123456789ABCDEFGHIJ"]}
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


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"policy": {"name": "p", "document": {"Version": "2012-10-17", "Statement": list(statements)}}}


def found(folder: Path, rule: str, binding: Mapping[str, Any]) -> list[LocatedMistake]:
    stack = {"cluster": {"name": "my-cluster"}, "bindings": {"app": binding}}
    examination = examine(stack, folder, "us-west-2")
    assert examination.mistakes == []
    return [each for each in examination.warnings if each.rule == rule]


def places(warnings: list[LocatedMistake]) -> list[str]:
    return [".".join(map(str, each.place[2:])) for each in warnings]


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ({"policies": [{"addOn": "external-dns", **ZONES}]}, ["policies.0.addOn"]),
        ({"policy": {"addOn": "external-dns", **ZONES}}, ["policy.addOn"]),
        ({"policies": [{"addOn": "external-dns", "version": add_on("external-dns").newest, **ZONES}]}, []),
        ({"policies": [{"addOn": "external-dns", "version": [*add_on("external-dns").versions][-1], **ZONES}]}, []),
    ],
)
def test_an_add_on_without_a_version(tmp_path: Path, binding: Mapping[str, Any], expected: list[str]) -> None:
    """Protects from a policy that changes with a release of irsa; an older version is pinned on purpose."""
    warnings = found(tmp_path, "add-on-version", binding)

    assert places(warnings) == expected
    assert all(each.mistake.fix == f"write version: {add_on('external-dns').newest}" for each in warnings)


@pytest.mark.parametrize(
    ("binding", "judged"),
    [
        (DNS, True),
        ({"trust": {"subjects": ["external-dns:external-dns"]}}, True),
        ({"serviceAccount": {"name": "external-dns", "namespace": "networking"}}, True),
        ({"serviceAccount": {"name": "velero-server", "namespace": "backup"}}, True),
        # Any collector of metrics may have this name.
        ({"serviceAccount": {"name": "cloudwatch-agent", "namespace": "team-a"}}, False),
        ({"serviceAccount": {"name": "cloudwatch-agent", "namespace": "amazon-cloudwatch"}}, True),
        ({"serviceAccount": {"name": "external-dns-webhook", "namespace": "external-dns"}}, False),
        ({**DNS, "trust": {"subjects": ["external-dns:other"]}}, False),
        ({"trust": {"subjects": ["external-dns:external-*"]}}, False),
    ],
)
def test_for_whom_a_policy_is(tmp_path: Path, binding: Mapping[str, Any], judged: bool) -> None:
    """Protects other roles from advice that is not meant for them: it is by the only service account of a role."""
    action = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-west-2:111122223333:q"}
    warnings = found(tmp_path, "add-on-policy", {**binding, **policy(action)})

    assert bool(warnings) is judged


def test_upstreams_own_policy_is_complete(tmp_path: Path) -> None:
    """Protects who wrote what the add-on's documentation says, whole or by patterns."""
    assert found(tmp_path, "add-on-policy", {**DNS, **policy(*UPSTREAM)}) == []
    listing = {"Effect": "Allow", "Action": "Route53:listhostedzones", "Resource": "*"}
    assert found(tmp_path, "add-on-policy", {**DNS, **policy(UPSTREAM[0], listing)}) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, True),
        ({"policyArns": ["arn:aws:iam::aws:policy/AmazonRoute53ReadOnlyAccess"]}, False),
        ({"inlinePolicies": {"list": {"document": {"Version": "2012-10-17", "Statement": [UPSTREAM[1]]}}}}, False),
    ],
)
def test_an_action_that_is_absent(tmp_path: Path, more: Mapping[str, Any], said: bool) -> None:
    """Protects an add-on that would be refused; what another policy may give is not said to be absent."""
    warnings = found(tmp_path, "add-on-policy", {**DNS, **policy(UPSTREAM[0]), **more})

    assert places(warnings) == (["policy"] if said else [])
    assert all(each.mistake.found.endswith("that does not allow route53:ListHostedZones") for each in warnings)


def test_what_aws_gives_for_everything_is_no_reason_to_need_nothing(tmp_path: Path) -> None:
    """Protects add-ons for which AWS's own policy is attached in one scope: a driver of volumes attaches them.

    Source: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverPolicy.html
    """
    driver = {"serviceAccount": {"name": "ebs-csi-controller-sa", "namespace": "kube-system"}}
    lists = {"Effect": "Allow", "Action": "ec2:DescribeVolumes", "Resource": "*"}
    (warning,) = found(tmp_path, "add-on-policy", {**driver, **policy(lists)})

    assert "ec2:AttachVolume" in warning.mistake.found


@pytest.mark.parametrize("secret", ["Statement", "Action", "document"])
def test_what_is_a_secret_is_not_said_to_be_absent(tmp_path: Path, secret: str) -> None:
    """Protects from a guess: what is not known may be what the add-on needs."""
    document = policy(UPSTREAM[0], UPSTREAM[1])["policy"]["document"]
    document["Statement"][1] = SECRET if secret == "Statement" else {**UPSTREAM[1], secret: SECRET}
    binding = {**DNS, "policy": {"document": document}}
    if secret == "document":
        binding = {**DNS, **policy(UPSTREAM[0]), "inlinePolicies": {"other": {"document": SECRET}}}
    examination = examine({"cluster": {"name": "my-cluster"}, "bindings": {"app": binding}}, tmp_path, "us-west-2")

    assert not [each for each in examination.warnings if each.rule == "add-on-policy"]


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
def test_an_action_that_it_never_had(tmp_path: Path, statements: list[dict[str, Any]], said: str | None) -> None:
    """Protects from what was copied from elsewhere: by what the role is given, not by how it is written."""
    written = [{"Effect": "Allow", "Resource": "*", **each} for each in statements]
    warnings = found(tmp_path, "add-on-policy", {**DNS, **policy(*UPSTREAM, *written)})

    assert places(warnings) == ([f"policy.document.Statement.2.{next(iter(statements[0]))}"] if said else [])
    assert all(each.mistake.found.startswith(str(said)) for each in warnings)
    assert all("which external-dns never needed" in each.mistake.found for each in warnings)


def documents() -> list[Any]:
    """Return what irsa itself deploys for each version of each add-on, with each of its parameters and without."""
    found = []
    for name in names():
        each = add_on(name)
        required = {key for key, taken in each.parameters.items() if taken.required or key == "cluster_names"}
        for version in each.versions:
            for scope, always in ((None, required | {*each.require_one_of[:1]}), (EVERYTHING, set())):
                if managed_policies(each, version, scope) or (scope and not each.everything):
                    continue
                for more in (None, *each.parameters):
                    given = {*always, *([more] if more else [])}
                    values = {key: [PARAMETERS[key].example] if key in PARAMETERS else True for key in given}
                    found.append(pytest.param(name, version, scope, values, id=f"{name}-{version}-{scope}-{more}"))
    return found


@pytest.mark.parametrize(("name", "version", "scope", "values"), documents())
def test_what_irsa_writes_itself_is_right(
    tmp_path: Path, name: str, version: str, scope: str | None, values: Mapping[str, Any]
) -> None:
    """Protects who pastes an add-on's document: no version gives what is not its own, and the newest lacks nothing."""
    each = add_on(name)
    where = Where("aws", "111122223333", ["us-west-2"])
    pasted = document(each, version, scope, values, where)
    account = {"serviceAccount": {"name": each.service_account, "namespace": each.namespace}}
    halves = [pasted["Statement"][::2], pasted["Statement"][1::2]]
    inline = {f"p{index}": {"document": {**pasted, "Statement": half}} for index, half in enumerate(halves) if half}
    warnings = found(tmp_path, "add-on-policy", {**account, "inlinePolicies": inline})

    assert version != each.newest or not warnings, [str(warning) for warning in warnings]
    assert not [warning for warning in warnings if "never needed" in warning.mistake.found]
