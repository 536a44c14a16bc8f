"""`irsa adopt` of the roles of add-ons, as eksctl, terraform-aws-iam and irsa write them: 0 changes with the engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import Where, document
from tests.all.sandbox.test_adopt_pod_identity import without_imports
from tests.sandbox import estate
from tests.sandbox.project import Project
from tests.sandbox.test_adopt import adopt, bindings_of, details, kind_of, kinds, planned, sections, without_groups

pytestmark = pytest.mark.sandbox

ZONE = "Z0123456789ABCDEFGHIJ"
OF_IRSA = f"arn:aws:iam::{estate.ACCOUNT}:policy/adopt-external-dns"
OF_TERRAFORM = f"arn:aws:iam::{estate.ACCOUNT}:policy/AmazonEKS_Cluster_Autoscaler-{estate.SUFFIX}1"
HERE = Where("aws", estate.ACCOUNT, ["us-west-2"])
# terraform-aws-iam, modules/iam-role-for-service-accounts-eks/policies.tf (v5), with the name of a cluster.
AUTOSCALER = estate.document(
    {
        "Effect": "Allow",
        "Action": [
            *("ec2:DescribeLaunchTemplateVersions", "ec2:DescribeInstanceTypes", "eks:DescribeNodegroup"),
            *("autoscaling:DescribeTags", "autoscaling:DescribeScalingActivities"),
            *("autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeAutoScalingInstances"),
            "autoscaling:DescribeAutoScalingGroups",
        ],
        "Resource": "*",
    },
    {
        "Effect": "Allow",
        "Action": [
            *("autoscaling:UpdateAutoScalingGroup", "autoscaling:TerminateInstanceInAutoScalingGroup"),
            "autoscaling:SetDesiredCapacity",
        ],
        "Resource": "*",
        "Condition": {"StringEquals": {"autoscaling:ResourceTag/kubernetes.io/cluster/my-cluster": "owned"}},
    },
)
# eksctl, pkg/cfn/builder/statement.go: wellKnownPolicies.certManager; the estate's has one policy of them.
CERT_MANAGER = estate.document(
    {
        "Effect": "Allow",
        "Action": ["route53:ListResourceRecordSets", "route53:ListHostedZonesByName"],
        "Resource": "*",
    },
    {"Effect": "Allow", "Action": ["route53:GetChange"], "Resource": "arn:aws:route53:::change/*"},
    {"Effect": "Allow", "Action": ["route53:ChangeResourceRecordSets"], "Resource": "arn:aws:route53:::hostedzone/*"},
)
MADE = {
    "external-dns": estate.script("adopt-external-dns", "adopt-dns:external-dns", attached=[OF_IRSA]),
    "cluster-autoscaler": estate.terraform_module(
        "adopt-autoscaler",
        "kube-system:adopt-autoscaler",
        accounts=[estate.helm("kube-system", "adopt-autoscaler")],
        attached=[OF_TERRAFORM],
    ),
    "cert-manager": estate.eksctl("adopt-cert", "cert-manager", inline=CERT_MANAGER, role_name="adopt-cert-manager"),
}
ROLES = {name: made.role for name, made in MADE.items()}
OWNERS = [word for owner in ("eksctl", "terraform", "helm") for word in ("--take-from", owner)]


@pytest.fixture
def planted(cloud: Any) -> Iterator[None]:
    """Create the roles with their policies and service accounts."""
    iam, each = cloud.aws("iam"), add_on("external-dns")
    known = document(each, each.newest, None, {"hosted_zones": [ZONE]}, HERE)
    # As the console writes it after an edit: another order, and white space.
    texts = {OF_IRSA: {**known, "Statement": known["Statement"][::-1]}, OF_TERRAFORM: AUTOSCALER}
    for arn, text in texts.items():
        tags = [{"Key": key, "Value": value} for key, value in estate.MODULE_TAGS.items()]
        iam.create_policy(PolicyName=arn.rpartition("/")[2], PolicyDocument=json.dumps(text, indent=4), Tags=tags)
    estate.make(cloud, MADE.values(), others=())
    yield
    estate.remove(cloud)


@pytest.mark.usefixtures("planted")
def test_add_ons_are_adopted_without_a_change(cloud: Any, tmp_path: Path) -> None:
    """Protects the policies of running add-ons: named where they are irsa's, reported where not, and as they were."""
    project = Project(cloud, tmp_path / "project", {})
    before = details(cloud)
    said = adopt(project, *(word for each in ROLES.values() for word in ("--role", each.name)), *OWNERS, "--policies")
    assert said.returncode == 0, said.stdout + said.stderr
    bindings = {each["role"]["name"]: each for each in bindings_of(project).values()}
    reported = sections(said.stdout)["policies for add-ons, not changed"]

    assert bindings[ROLES["external-dns"].name]["policy"]["addOn"] == "external-dns"
    assert bindings[ROLES["external-dns"].name]["policy"]["hostedZones"] == [ZONE]
    assert "file" in bindings[ROLES["cluster-autoscaler"].name]["policy"]
    for name, by in (("cluster-autoscaler", "terraform-aws-iam's"), ("cert-manager", "eksctl's")):
        assert [line for line in reported if f"{name}, with the actions of {by}" in line], reported
    assert len([line for line in reported if line.startswith("policies: [{addOn: ")]) == len(ROLES) - 1

    done = without_groups(project.events("up", "--yes", "--skip-preview"))
    counted = kinds(done)
    assert (counted["import", "Role"], counted["import", "Policy"]) == (len(ROLES), 2)
    assert {kind_of(each) for each in done if each["op"] != "import"} <= {"ServiceAccount"}
    without_imports(project)
    again = without_groups(project.events("up", "--yes", "--skip-preview"))
    assert {kind_of(each) for each in again} <= {"ServiceAccount"}
    assert planned(project) == []
    assert details(cloud) == before
