"""One ServiceAccountRole per binding."""

from collections.abc import Mapping
from typing import Any, cast

import pulumi

from config.models import Binding
from config.variables import fill
from irsa import ServiceAccountRole, ServiceAccountRoleArgs
from irsa.arns import parse_iam_arn
from irsa.trust import minified
from program.clusters import ResolvedCluster


def create_binding(
    key: str, binding: Binding, cluster: ResolvedCluster, variables: Mapping[str, str]
) -> ServiceAccountRole:
    """Create the resources of a binding."""
    return ServiceAccountRole(key, arguments(binding, cluster, {**cluster.variables, **variables}))


def arguments(binding: Binding, cluster: ResolvedCluster, variables: Mapping[str, str]) -> ServiceAccountRoleArgs:
    """Give the component's arguments for a binding, its variables filled in."""
    role, policy = binding.role, binding.policy
    account = binding.service_account
    args: dict[str, Any] = {"service_account": account and _given(account.model_dump())}
    if role.arn:
        return cast("ServiceAccountRoleArgs", _given({**args, "role_arn": fill(role.arn, variables)}))
    args |= {
        "oidc_provider_arns": [cluster.oidc_provider_arn],
        "subjects": binding.trust.subjects,
        "role_name": role.name,
        "description": role.description,
        "path": role.path,
        "policy_arns": {policy_key(arn): arn for arn in fill(binding.policy_arns, variables)},
    }
    if policy:
        settings = policy.model_dump(include={"name", "path", "description"})
        args["policy"] = _given({**settings, "document": minified(fill(policy.document, variables))})
    return cast("ServiceAccountRoleArgs", _given(args))


def policy_key(arn: str) -> str:
    """Give the part of an attachment's logical name that stands for a policy.

    It is the policy's path and name, with `aws:` before those of AWS.
    """
    parsed = parse_iam_arn(arn, "policy")
    return f"aws:{parsed.resource}" if parsed.account == "aws" else parsed.resource


def outputs(role: ServiceAccountRole) -> dict[str, pulumi.Output[Any]]:
    """Give a binding's part of the stack output `bindings`."""
    return {
        "namespace": role.namespace,
        "serviceAccount": role.service_account_name,
        "roleArn": role.role_arn,
        "policyArns": role.policy_arns,
        "subjects": role.subjects,
    }


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not set."""
    return {key: value for key, value in values.items() if value not in (None, {}, [])}
