"""The logical names of a stack's resources: each comes from the thing itself, so that no key of a stack file moves it.

What has an automatic name in IAM keeps its binding's key, with which that name starts. docs/reference/changes.md has
what each change of a stack file does.
"""

import re
from collections.abc import Mapping

from config.stack import Stack
from irsa.outputs import child_name
from irsa.pod_identity import Association
from irsa.rules.arns import issuer_host_path
from irsa.spec import CreatedRole, ManagedPolicy, Spec


def in_cluster(name: str, issuer: str) -> str:
    """Return the name of what is in a cluster, which is known by its issuer: `default/app@oidc.eks...`."""
    return f"{name}@{issuer_host_path(issuer)}"


def in_aws_account(name: str, account_id: str | None) -> str:
    """Return the name of what is in an AWS account; None is the stack's."""
    return name if account_id is None else f"{account_id}/{name}"


def aws_provider(stack: Stack, aws_account: str) -> str:
    """Return the name of an AWS account's provider: its ID, where one key alone has that."""
    account_id = stack.account_id(aws_account)
    is_alone = [stack.account_id(key) for key in stack.aws_accounts].count(account_id) == 1
    return account_id if account_id and is_alone else aws_account


def oidc_provider(stack: Stack, aws_account: str | None, issuer: str) -> str:
    """Return the name of an IAM OIDC provider that the stack creates for a cluster in an AWS account."""
    return in_aws_account(issuer_host_path(issuer), stack.account_id(aws_account))


def identified(
    spec: Spec, automatic: str, issuer: str | None, account_id: str | None, issuers: Mapping[str, str]
) -> tuple[str, Spec]:
    """Return the logical name of a component, and what it creates, each resource under a name of its own.

    Args:
        spec: What it creates, each named after the component, as in a program of one's own.
        automatic: The component's name there, with which automatic names start.
        issuer: Issuer of the service account's cluster; None without a service account.
        account_id: ID of the AWS account of the role; None for the stack's.
        issuers: Those of the clusters with EKS Pod Identity, by their ARNs.
    """

    def permission(policy: str) -> str:
        return child_name(automatic, policy) if role == automatic else f"{role}/{policy}"

    def policy_of(policy: ManagedPolicy) -> ManagedPolicy:
        name, attachment = policy.logical_name, policy.attachment_name
        if isinstance(policy.name, str):
            name = in_aws_account(f"policy/{policy.name.lower()}", account_id)
            key = f"{policy.path or '/'}{policy.name}".lstrip("/")
        else:
            key = f"automatic:{name}"
        unchanged = name == policy.logical_name and role == automatic
        # What is attached by its ARN as well has that name already.
        unchanged = unchanged or any(each.logical_name == child_name(automatic, key) for each in spec.attachments)
        return policy._replace(logical_name=name, attachment_name=attachment if unchanged else permission(key))

    def association(each: Association) -> str:
        # That of an add-on's service account is in the component of its role, with those of other clusters. Once that
        # account is declared, it must keep its name: EKS refuses a second one.
        own = in_cluster(f"{each.namespace}/{each.service_account}", issuers.get(str(each.cluster_arn), ""))
        return service_account if spec.service_account else own

    role = _role(spec.role, account_id) or automatic
    key_at = len(child_name(automatic, ""))
    declared = spec.service_account
    service_account = in_cluster(f"{declared.namespace}/{declared.name}", issuer) if declared and issuer else automatic
    # In a namespace called `role`, of an issuer without a path, it looks like the name of a role.
    alone = f"{service_account}/" if re.fullmatch("role/[^/]+", service_account) else service_account
    return role if spec.role else alone, spec._replace(
        role=spec.role and spec.role._replace(logical_name=role),
        policies=tuple(policy_of(policy) for policy in spec.policies),
        attachments=tuple(
            each._replace(logical_name=permission(each.logical_name[key_at:])) for each in spec.attachments
        ),
        inline_policies=tuple(each._replace(logical_name=permission(each.name)) for each in spec.inline_policies),
        associations=tuple(each._replace(logical_name=association(each)) for each in spec.associations),
        service_account=declared and declared._replace(logical_name=service_account),
    )


def _role(role: CreatedRole | None, account_id: str | None) -> str | None:
    """Return the name of a role that is not automatic. IAM compares names without letter case."""
    return in_aws_account(f"role/{role.name.lower()}", account_id) if role and isinstance(role.name, str) else None
