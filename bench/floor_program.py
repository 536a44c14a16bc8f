"""The floor: the resources of the same bindings in the fewest lines, every document literal, nothing checked.

It runs as the program of a stack of its own, whose folder has bindings.json.
"""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes


def create(binding: dict[str, Any]) -> None:
    name = binding["name"]
    policy = aws.iam.Policy(name, name=name, policy=binding["document"])
    role = aws.iam.Role(
        name, name=name, assume_role_policy=binding["trust"], opts=pulumi.ResourceOptions(depends_on=[policy])
    )
    attached = aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=policy.arn)
    kubernetes.core.v1.ServiceAccount(
        name,
        metadata={
            "name": name,
            "namespace": binding["namespace"],
            "annotations": {"eks.amazonaws.com/role-arn": role.arn},
        },
        opts=pulumi.ResourceOptions(depends_on=[attached]),
    )


for each in json.loads((Path(__file__).parent / "bindings.json").read_text()):
    create(each)
