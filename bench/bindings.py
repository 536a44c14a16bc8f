"""The bindings that are measured, as a stack file declares them and as the floor's literal values."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sandbox.layout import AUDIENCE, AWS_ACCOUNT, ISSUER

# The largest public user of IAM roles for service accounts that could be found declares 1,070 roles in one cluster:
# service accounts per namespace and number of such namespaces, managed policies per role and number of such roles.
NAMESPACES = {1: 567, 2: 125, 3: 19, 4: 9, 5: 5, 6: 1, 7: 3, 36: 3}
POLICIES = {1: 815, 2: 110, 3: 63, 4: 36, 5: 17, 6: 13, 8: 7, 9: 4, 10: 3, 11: 2}
# Policies of AWS, attached besides a role's own.
AWS_POLICIES = (
    "AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess", "AmazonSNSReadOnlyAccess", "AmazonDynamoDBReadOnlyAccess",
    "AmazonEC2ReadOnlyAccess", "AmazonRDSReadOnlyAccess", "AmazonKinesisReadOnlyAccess", "AmazonRoute53ReadOnlyAccess",
    "CloudWatchReadOnlyAccess", "IAMReadOnlyAccess",
)  # fmt: skip


class MeasuredBinding(NamedTuple):
    """A service account with a role, a policy of its own and policies of AWS, all of the same name."""

    name: str
    namespace: str = "default"
    aws_policies: Sequence[str] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The policy's document."""
        objects = f"arn:aws:s3:::{self.namespace}-{self.name}/*"
        statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": objects}
        return {"Version": "2012-10-17", "Statement": [statement]}


def numbered(count: int, prefix: str) -> list[MeasuredBinding]:
    """Return bindings in the default namespace, without policies of AWS: four resources each, and a component."""
    return [MeasuredBinding(f"{prefix}-app-{index}") for index in range(count)]


def real_size() -> list[MeasuredBinding]:
    """Return the bindings of a large organisation: 1,070 roles, 732 namespaces, 1,675 attachments."""
    policies = [AWS_POLICIES[: managed - 1] for managed, roles in POLICIES.items() for _ in range(roles)]
    # Namespaces with many service accounts come last, and so would the roles with many policies: they are mixed.
    mixed = [policies[index * 617 % len(policies)] for index in range(len(policies))]
    return [
        MeasuredBinding(f"{namespace}-app-{index}", namespace, attached)
        for (namespace, index), attached in zip(_places(), mixed, strict=True)
    ]


def _places() -> Iterator[tuple[str, int]]:
    number = 0
    for service_accounts, namespaces in NAMESPACES.items():
        for _ in range(namespaces):
            number += 1
            yield from ((f"team-{number}", index) for index in range(service_accounts))


def declared(bindings: Sequence[MeasuredBinding]) -> dict[str, Any]:
    """Return the settings of a stack file."""
    return {
        # The real size has roles with 11 policies.
        "quotas": {"attachedPolicies": 20},
        "bindings": {
            binding.name: {
                "serviceAccount": {
                    "name": binding.name,
                    "namespace": binding.namespace,
                    **({} if binding.namespace == "default" else {"createNamespace": True}),
                },
                "role": {"name": binding.name},
                "policy": {"name": binding.name, "document": binding.document},
                "policyArns": [f"arn:aws:iam::aws:policy/{policy}" for policy in binding.aws_policies],
            }
            for binding in bindings
        },
    }


def literal(bindings: Sequence[MeasuredBinding]) -> list[dict[str, str]]:
    """Return what the floor creates of numbered bindings: names and documents as they are sent to AWS or Kubernetes."""
    return [
        {
            "name": binding.name,
            "namespace": binding.namespace,
            "document": _minified(binding.document),
            "trust": _minified(_trust(binding)),
        }
        for binding in bindings
    ]


def _trust(binding: MeasuredBinding) -> dict[str, Any]:
    issuer = ISSUER.removeprefix("https://")
    claims = {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": f"system:serviceaccount:{binding.namespace}:{binding.name}"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _minified(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
