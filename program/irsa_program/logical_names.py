"""The logical names of a stack's resources: each comes from the thing itself, so that no key of a stack file moves it.

What has an automatic name in IAM keeps its binding's key, with which that name starts. docs/reference/changes.md has
what each change of a stack file does.
"""

import re
from collections.abc import Callable, Mapping

from irsa import types
from irsa.outputs import child_name
from irsa.resources import DeclaredResource, Ref
from irsa.rules.arns import issuer_host_path
from irsa.rules.unknown import text_of
from irsa.spec import Spec
from irsa_config.stack import Stack


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


def identified(spec: Spec, issuer: str | None, account_id: str | None, issuers: Mapping[str, str]) -> tuple[str, Spec]:
    """Return the logical name of a component, and what it creates, each resource under a name of its own.

    Args:
        spec: What it creates, each named after the component, as in a program of one's own.
        issuer: Issuer of the service account's cluster; None without a service account.
        account_id: ID of the AWS account of the role; None for the stack's.
        issuers: Those of the clusters with EKS Pod Identity, by their ARNs.
    """

    def permission(policy: str) -> str:
        return child_name(automatic, policy) if role == automatic else f"{role}/{policy}"

    def policy_of(policy: DeclaredResource) -> str:
        name = policy.inputs["name"]
        return in_aws_account(f"policy/{name.lower()}", account_id) if isinstance(name, str) else policy.logical_name

    def attachment(each: DeclaredResource) -> str:
        arn = each.inputs["policyArn"]
        if not isinstance(arn, Ref):
            return permission(each.logical_name[len(child_name(automatic, "")) :])
        name, path = (created[arn.key].inputs[part] for part in ("name", "path"))
        is_named = isinstance(name, str)
        key = f"{path or '/'}{name}".lstrip("/") if is_named else f"automatic:{each.logical_name}"
        # What is attached by its ARN as well has that name already.
        unchanged = (role == automatic and not is_named) or child_name(automatic, key) in by_arn
        return each.logical_name if unchanged else permission(key)

    def association(each: DeclaredResource) -> str:
        # That of an add-on's service account is in the component of its role, with those of other clusters. Once that
        # account is declared, it must keep its name: EKS refuses a second one.
        return service_account if declared else of_cluster(each, issuers.get(text_of(each.facts["clusterArn"]), ""))

    def of_cluster(each: DeclaredResource, issuer: str) -> str:
        return in_cluster("/".join(map(str, each.service_account)), issuer)

    # Automatic names in IAM start with it.
    automatic = spec.reading.name
    role = _role(spec.role, account_id) or automatic
    declared, created = spec.service_account, {each.key: each for each in spec.of(types.POLICY)}
    by_arn = {each.logical_name for each in spec.of(types.ATTACHMENT) if not isinstance(each.inputs["policyArn"], Ref)}
    service_account = of_cluster(declared, issuer) if declared and issuer else automatic
    # In a namespace called `role`, of an issuer without a path, it looks like the name of a role.
    alone = f"{service_account}/" if re.fullmatch("role/[^/]+", service_account) else service_account
    names: Mapping[str, Callable[[DeclaredResource], str]] = {
        types.POLICY: policy_of,
        types.ROLE: lambda _: role,
        types.ATTACHMENT: attachment,
        types.INLINE_POLICY: lambda each: permission(each.inputs["name"]),
        types.POD_IDENTITY_ASSOCIATION: association,
        types.SERVICE_ACCOUNT: lambda _: service_account,
        types.SERVICE_ACCOUNT_PATCH: lambda _: service_account,
    }
    resources = tuple(each._replace(logical_name=names[each.type](each)) for each in spec.resources)
    return role if spec.role else alone, spec._replace(resources=resources)


def _role(role: DeclaredResource | None, account_id: str | None) -> str | None:
    """Return the name of a role that is not automatic. IAM compares names without letter case."""
    name = role.inputs["name"] if role else None
    return in_aws_account(f"role/{name.lower()}", account_id) if isinstance(name, str) else None
