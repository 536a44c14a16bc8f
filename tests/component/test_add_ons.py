import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from irsa.later import InvalidArgumentsError

POLICY, ATTACHMENT = "aws:iam/policy:Policy", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
DNS = {"add_on": "external-dns", "hosted_zones": ["Z123"]}
Deploy = Callable[..., Any]


def output(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


def test_the_partition_of_the_role(deploy: Deploy) -> None:
    provider = PROVIDER.replace("arn:aws:", "arn:aws-us-gov:").replace("us-west-2", "us-gov-west-1")
    deployed = deploy(
        {"oidc_provider_arns": [provider], "policies": [{"add_on": "adot"}], "trust": {"subjects": ["a:b"]}}
    )
    assert deployed.one(ATTACHMENT).inputs["policyArn"] == "arn:aws-us-gov:iam::aws:policy/AWSXrayWriteOnlyAccess"

    deployed = deploy({"oidc_provider_arns": [provider], "policy": {**DNS, "name": "dns"}})
    document = json.loads(deployed.one(POLICY).inputs["policy"])
    assert document["Statement"][0]["Resource"] == "arn:aws-us-gov:route53:::hostedzone/Z123"
    assert (deployed.one(POLICY).name, deployed.one(POLICY).inputs["name"]) == ("my-app", "dns")


def test_a_document_that_is_too_long_for_one_policy(deploy: Deploy) -> None:
    """Protects one role for several clusters: a known document is divided; of an output, it is said what to do.

    The limit: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    karpenter = {"add_on": "karpenter", "node_roles": ["arn:aws:iam::111122223333:role/my-nodes"]}

    def of(*clusters: Any) -> dict[str, Any]:
        return {"oidc_provider_arns": [PROVIDER], "policies": [{**karpenter, "cluster_names": [*clusters]}]}

    documents = [each.inputs["policy"] for each in deploy(of("blue", "green")).of(POLICY)]
    assert len(documents) > 1
    assert max(map(len, documents)) <= 6144
    with pytest.raises(InvalidArgumentsError, match="divided over several policies"):
        deploy(of("blue", output("green")))
