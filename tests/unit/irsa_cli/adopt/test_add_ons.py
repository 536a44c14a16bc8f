"""Roles of add-ons: what irsa would write in the same way gets the add-on's name; of others, what would change."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import Where, document
from irsa.rules.leaves import items_of
from irsa_cli.adopt.outcomes import Adoption, Outcome
from irsa_cli.adopt.report import lines
from irsa_cli.live.model import LivePolicy, PolicySettings
from tests.unit.irsa_cli.adopt.scene import AWS_ACCOUNT, adopted, found, policy_document, role, statement
from tests.unit.irsa_cli.adopt.test_bindings import written

ZONE = "Z0123456789ABCDEFGHIJ"
KEY = f"arn:aws:kms:us-west-2:{AWS_ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECRET = f"arn:aws:secretsmanager:us-west-2:{AWS_ACCOUNT}:secret:team-a/*"
WORKSPACE = f"arn:aws:aps:us-west-2:{AWS_ACCOUNT}:workspace/ws-0123abcd-0123-4567-89ab-0123456789ab"
SECRETS = "external-secrets:external-secrets"
# pkg/cfn/builder/statement.go of eksctl: wellKnownPolicies.externalDNS, two inline policies.
EKSCTL = {
    "changes": policy_document(
        {
            "Effect": "Allow",
            "Action": ["route53:ChangeResourceRecordSets"],
            "Resource": "arn:aws:route53:::hostedzone/*",
        }
    ),
    "zones": policy_document(
        {
            "Effect": "Allow",
            "Action": ["route53:ListHostedZones", "route53:ListResourceRecordSets", "route53:ListTagsForResource"],
            "Resource": "*",
        }
    ),
}


def of_add_on(name: str, region: str = "us-west-2", **parameters: Any) -> dict[str, Any]:
    """Return an add-on's document as somebody may have deployed it: in another order, a list in place of a value."""
    each = add_on(name)
    known = document(each, each.newest, None, parameters, Where("aws", AWS_ACCOUNT, [region]))
    statements = [{**one, "Action": [*reversed(items_of(one["Action"]))]} for one in reversed(known["Statement"])]
    return policy_document(*statements)


def adopted_with(of_policy: Mapping[str, Any], subject: str) -> Adoption:
    arn = f"arn:aws:iam::{AWS_ACCOUNT}:policy/mine"
    of_role = role("mine", statement(subject), attached_policies=(arn,))
    settings = PolicySettings("", {})
    discovery = found([], [of_role], policies=[LivePolicy(arn, of_policy, 1)])
    return adopted(discovery, folder=Path("/missing"), policy_settings=lambda _: settings)


@pytest.mark.parametrize(
    ("name", "subject", "parameters", "expected"),
    [
        ("external-dns", "external-dns:external-dns", {"hosted_zones": [ZONE]}, {"hostedZones": [ZONE]}),
        # Another service account: nothing but Route 53 is in it.
        ("external-dns", "dns:mine", {"hosted_zones": [ZONE, "Z2"]}, {"hostedZones": [ZONE, "Z2"]}),
        ("cluster-autoscaler", "team-a:app", {"cluster_names": ["blue"]}, {"clusterNames": ["blue"]}),
        (
            "external-secrets",
            SECRETS,
            {"secrets": [SECRET], "kms_keys": [KEY], "find": True},
            {"secrets": [SECRET], "kmsKeys": [KEY], "find": True},
        ),
    ],
)
def test_the_same_document_becomes_the_add_on(
    name: str, subject: str, parameters: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    """Protects the deployed policy: the add-on's name stands for it, no file does, and `irsa check` accepts it."""
    of_policy = of_add_on(name, **parameters)
    adoption = adopted_with(of_policy, subject)
    (binding,) = written(adoption, tmp_path)["irsa:bindings"].values()

    assert binding["policy"] == {"name": "mine", "addOn": name, "version": add_on(name).newest, **expected}
    assert binding["import"] == ["role", "policy", "attachments"]
    assert (adoption.files, adoption.of_add_ons) == ({}, [])
    assert [each.outcome for each in adoption.items] == [Outcome.EXACT]


@pytest.mark.parametrize(
    ("of_policy", "subject"),
    [
        # irsa would write the region of the cluster.
        (of_add_on("cluster-autoscaler", "eu-west-1", cluster_names=["blue"]), "kube-system:cluster-autoscaler"),
        # The AWS plugin shows the removal of a Sid.
        (policy_document({**of_add_on("amp", workspaces=[WORKSPACE])["Statement"][0], "Sid": "Mine"}), "amp:mine"),
        # An application's own, though the document is the same.
        (of_add_on("velero", buckets=["my-bucket"]), "team-a:app"),
    ],
)
def test_another_document_stays_a_file(of_policy: dict[str, Any], subject: str) -> None:
    """Protects from an update, and from a name that says what is not so: the document is taken as it is."""
    adoption = adopted_with(of_policy, subject)
    (binding,) = adoption.bindings.values()

    assert binding["policy"] == {"name": "mine", "file": "policies/mine.json"}
    assert json.loads(adoption.files["policies/mine.json"]) == of_policy


def reported(*, subject: str = "external-dns:external-dns", **settings: Any) -> list[str]:
    """Return what the report says of the add-ons of a role."""
    adoption = adopted(found([], [role("mine", statement(subject), **settings)]))
    said = [text for text, _ in lines(adoption, Path("Pulumi.prod.yaml"), "prod", True, [], dry_run=False)]
    starts = [number for number, text in enumerate(said) if text.startswith("policies for add-ons")]
    assert adoption.bindings
    return said[starts[0] + 1 : said.index("", starts[0])] if starts else []


def test_eksctls_policies_are_compared() -> None:
    """Protects who comes from eksctl: nothing changes, and the report has whose policies they are and what to write.

    That it may lose the list of all zones' records, and gains tags in bulk, is the difference between the documents.
    """
    said = reported(inline_policies=EKSCTL)
    version = add_on("external-dns").newest

    assert said[0] == (
        "  mine: external-dns, with the actions of eksctl's wellKnownPolicies.externalDNS: "
        '"inline policy changes", "inline policy zones"'
    )
    assert said[1] == (
        f"    policies: [{{addOn: external-dns, version: {version}, hostedZones: [{ZONE}]}}]   (with your hostedZones)"
    )
    changes = {line.strip() for line in said[2:]}
    assert "- loses route53:ListTagsForResource on *" in changes
    assert any(line.startswith("+ gains route53:ListTagsForResources on ") for line in changes)
    assert said[-1].strip() == "that is with all that it may name: every hosted zone of the AWS account"
    assert len(said) <= 7


def test_a_policy_that_names_its_resources_is_compared_with_these() -> None:
    """Protects the reader from examples: the zone that the policy names is the one to write, and nothing is lost."""
    mine = of_add_on("external-dns", hosted_zones=["Z9"])
    said = reported(inline_policies={"mine": mine})

    assert said[1].strip() == (
        f"policies: [{{addOn: external-dns, version: {add_on('external-dns').newest}, hostedZones: [Z9]}}]"
    )
    assert said[2:] == ["    the same permissions"]


@pytest.mark.parametrize(
    ("subject", "arn", "expected"),
    [
        ("kube-system:aws-node", "AmazonEKS_CNI_Policy", "vpc-cni: {} is one of AWS's own for it"),
        # https://docs.aws.amazon.com/eks/latest/userguide/ebs-csi.html had this one until 2026.
        (
            "kube-system:ebs-csi-controller-sa",
            "service-role/AmazonEBSCSIDriverPolicy",
            "ebs-csi: {} is what its service account has",
        ),
        ("team-a:app", "AmazonS3ReadOnlyAccess", None),
    ],
)
def test_policies_of_aws_are_told(subject: str, arn: str, expected: str | None) -> None:
    """Protects who attached AWS's managed policy: the add-on by name is there to write, and other roles are silent."""
    whole = f"arn:aws:iam::aws:policy/{arn}"
    said = reported(subject=subject, attached_policies=(whole,))

    assert [line.strip() for line in said[:1]] == ([f"mine: {expected.format(whole)}"] if expected else [])
    assert all(line.strip().startswith("policies: [{addOn: ") for line in said[1:])


def test_an_application_is_no_add_on() -> None:
    """Protects other roles: nothing is said of them."""
    inline = policy_document({"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"})

    assert reported(subject="team-a:app", inline_policies={"mine": inline}) == []
