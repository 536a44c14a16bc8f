"""The floor: the resources of the same bindings in the fewest lines, every document literal, nothing checked.

resources.json has what is created, and whether each binding is wrapped in an empty component.
"""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes


class Empty(pulumi.ComponentResource):
    """A component with no outputs."""

    def __init__(self, name: str) -> None:
        super().__init__("bench:index:Empty", name)
        self.register_outputs({})


def create(binding: dict[str, Any], wrapped: bool, namespaces: dict[str, pulumi.Resource]) -> None:
    name = binding["name"]
    parent = Empty(name) if wrapped else None
    policy = aws.iam.Policy(
        name,
        name=name,
        policy=binding["document"],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    role = aws.iam.Role(
        name,
        name=name,
        assume_role_policy=binding["trust"],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )
    attached: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(
            f"{name}-{key}", role=role.name, policy_arn=arn, opts=pulumi.ResourceOptions(parent=parent)
        )
        for key, arn in {"own": policy.arn, **binding["policy_arns"]}.items()
    ]
    after = [namespaces[binding["namespace"]]] if binding["namespace"] in namespaces else []
    kubernetes.core.v1.ServiceAccount(
        name,
        metadata={
            "name": name,
            "namespace": binding["namespace"],
            "annotations": {"eks.amazonaws.com/role-arn": role.arn},
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*attached, *after]),
    )


def main() -> None:
    resources = json.loads((Path(__file__).parent / "resources.json").read_text())
    namespaces: dict[str, pulumi.Resource] = {
        name: kubernetes.core.v1.NamespacePatch(name, metadata={"name": name}) for name in resources["namespaces"]
    }
    for binding in resources["bindings"]:
        create(binding, resources["wrapped"], namespaces)


main()
