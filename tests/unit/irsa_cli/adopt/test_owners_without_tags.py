"""Who manages a role that CloudFormation made: it puts no tag of its own on roles.

https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/277
"""

import pytest

from irsa_cli.adopt.owners import Owner, owners_of_role
from tests.unit.irsa_cli.adopt.scene import role, statement


def owners(name: str, **tags: str) -> list[Owner]:
    return owners_of_role(role(name, statement("team-a:app"), tags=tags))


@pytest.mark.parametrize(
    "name",
    [
        # Of a template, before and after CloudFormation began to mix letter case; of the CDK, whose IDs end in a hash.
        "billing-InvoiceRole-1X9QK2M4P7RTB",
        "ChineseboostAnalyticsStac-RainlyticsSummariesJobFun-UjecjFhpdr1d",
        "EksStack-UploadsRole7D1C4A0B-Khm3TJWefsFC",
    ],
)
def test_a_generated_name_is_a_mark(name: str) -> None:
    """Protects from two owners: a stack's role is not taken for a role of nobody's, because it has no tag."""
    (owner,) = owners(name)

    assert str(owner) == "cloudformation, by its name"


@pytest.mark.parametrize(
    "name",
    [
        *("my-role", "team-a-description12", "karpenter-20250318071504123400000001", "app-web-202511261200"),
        *("app-web-9f8e7d6c5b4a", "InvoiceRole-1X9QK2M4P7RTB"),
    ],
)
def test_other_names_are_no_mark(name: str) -> None:
    """Protects from a flag that is asked for without need: dates, digests and words are not CloudFormation's."""
    assert owners(name) == []


def test_a_tag_says_more_than_a_name() -> None:
    """Protects what somebody wrote: a name that looks generated does not make a role CloudFormation's as well."""
    assert owners("billing-InvoiceRole-1X9QK2M4P7RTB", Terraform="true") == [Owner("terraform")]


def test_the_stack_of_an_eksctl_role_is_derived_from_its_tags() -> None:
    """Protects the steps: the stack is eksctl-CLUSTER-addon-iamserviceaccount-NAMESPACE-NAME, and no tag says so."""
    tags = {
        "alpha.eksctl.io/cluster-name": "prod",
        "alpha.eksctl.io/iamserviceaccount-name": "kube-system/ebs-csi-controller-sa",
    }
    found = owners_of_role(role("any", statement("kube-system:ebs-csi-controller-sa"), tags=tags))

    assert found == [Owner("eksctl", "eksctl-prod-addon-iamserviceaccount-kube-system-ebs-csi-controller-sa")]
