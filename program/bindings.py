"""One ServiceAccountRole per binding, and one more per further cluster of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import pulumi

from config.models import Binding, PolicyDocument, ServiceAccount, Stack
from config.variables import fill
from irsa import ServiceAccountRole, ServiceAccountRoleArgs
from irsa.rules.arns import parse_iam_arn
from irsa.rules.policies import CHAINING_POLICY, chaining_policy
from irsa.rules.trust import DEFAULT_AUDIENCE, minified
from program.accounts import Accounts
from program.clusters import ResolvedCluster
from program.namespaces import Namespaces


class CreatedBinding(NamedTuple):
    """What a binding became."""

    role: ServiceAccountRole
    service_account: ServiceAccount | None

    def output(self) -> dict[str, Any]:
        """Give the binding's part of the stack output `bindings`."""
        return {
            "namespace": self.service_account.namespace if self.service_account else None,
            "serviceAccount": self.service_account.name if self.service_account else None,
            "roleArn": self.role.role_arn,
            "policyArns": self.role.policy_arns,
            "subjects": self.role.subjects,
        }

    def helm_values(self) -> dict[str, Any]:
        """Give the values that a Helm chart needs to make the service account itself."""
        return {"serviceAccount": {"create": True, "annotations": self.role.annotations}}


class Surroundings(NamedTuple):
    """What all bindings share."""

    settings: Stack
    clusters: Mapping[str, ResolvedCluster]
    accounts: Accounts
    namespaces: Namespaces
    audiences: set[str]


def create_bindings(
    settings: Stack, clusters: Mapping[str, ResolvedCluster], accounts: Accounts
) -> dict[str, CreatedBinding]:
    """Create the resources of all bindings."""
    audiences = {binding.audience or DEFAULT_AUDIENCE for binding in settings.bindings.values()}
    namespaces = Namespaces(clusters, settings.defaults.retain_namespaces)
    shared = Surroundings(settings, clusters, accounts, namespaces, audiences)
    return {key: _create(key, binding, shared) for key, binding in settings.bindings.items()}


def _create(key: str, binding: Binding, shared: Surroundings) -> CreatedBinding:
    clusters = {name: shared.clusters[name] for name in binding.clusters or shared.clusters}
    args = _with_providers(arguments(binding, shared.settings, _variables(binding, clusters, shared)), binding, shared)
    account = args.get("service_account")
    if account is None or "" in clusters:
        role = ServiceAccountRole(key, args, _options(key, "", binding, shared))
        return CreatedBinding(role, binding.service_account)
    # Several clusters: one role, and one account per cluster, whose names don't change when a cluster comes or goes.
    roles = []
    role_arn = args.get("role_arn")
    if role_arn is None:
        del args["service_account"]
        subject = f"{account.get('namespace', 'default')}:{account['name']}"
        args["subjects"] = [*binding.trust.subjects, subject]
        roles.append(ServiceAccountRole(key, args, _options(key, None, binding, shared)))
        role_arn = roles[0].role_arn
    after = roles[:]
    for name in clusters:
        annotation: ServiceAccountRoleArgs = {"role_arn": role_arn, "service_account": account}
        for setting in ("audience", "retain_on_delete"):
            if setting in args:
                annotation[setting] = args[setting]
        annotation["import_existing"] = [what for what in binding.import_ if what == "serviceAccount"]
        options = _options(f"{key}@{name}", name, binding, shared, after=after)
        roles.append(ServiceAccountRole(f"{key}@{name}", annotation, options))
    return CreatedBinding(roles[0], binding.service_account)


def _variables(binding: Binding, clusters: Mapping[str, ResolvedCluster], shared: Surroundings) -> dict[str, str]:
    return {
        "account": shared.accounts.account_id(binding.account),
        "partition": shared.accounts.partition(binding.account),
        "region": shared.accounts.region,
        "cluster": next(iter(clusters.values())).name,
        **shared.settings.variables,
    }


def _with_providers(args: ServiceAccountRoleArgs, binding: Binding, shared: Surroundings) -> ServiceAccountRoleArgs:
    """Give the arguments with the OIDC providers of the binding's clusters, unless its role exists already."""
    if "role_arn" in args:
        return args
    own = {binding.audience or DEFAULT_AUDIENCE}
    clusters = [shared.clusters[name] for name in binding.clusters or shared.clusters]
    args["oidc_provider_arns"] = [
        cluster.provider_arn(binding.account, shared.audiences if cluster.creates_provider else own)
        for cluster in clusters
    ]
    return args


def _options(
    name: str, cluster: str | None, binding: Binding, shared: Surroundings, after: Sequence[pulumi.Resource] = ()
) -> pulumi.ResourceOptions:
    """Give a component's options; without a cluster it makes nothing in Kubernetes."""
    providers: list[pulumi.ProviderResource | None] = [shared.accounts.provider(binding.account)]
    waits = [*after]
    account = binding.service_account
    if cluster is not None:
        providers.append(shared.clusters[cluster].kubernetes_provider if cluster in shared.clusters else None)
        if account and account.create_namespace:
            waits.append(shared.namespaces.ensure(cluster, account.namespace or "default"))
    former = f"{binding.formerly}{name[name.index('@') :] if '@' in name else ''}"
    return pulumi.ResourceOptions(
        providers=[provider for provider in providers if provider],
        protect=binding.protect or None,
        depends_on=waits,
        aliases=[pulumi.Alias(name=former)] if binding.formerly else None,
    )


def arguments(binding: Binding, settings: Stack, variables: Mapping[str, str]) -> ServiceAccountRoleArgs:
    """Give the component's arguments for a binding, its variables filled in, without the OIDC providers."""
    role, policy, trust = binding.role, binding.policy, binding.trust
    account = binding.service_account
    args: dict[str, Any] = {
        "service_account": account and _given(account.model_dump(exclude={"create_namespace"})),
        "audience": binding.audience,
        "import_existing": binding.import_,
        "retain_on_delete": binding.retain_on_delete or None,
    }
    if role.arn:
        return cast("ServiceAccountRoleArgs", _given({**args, "role_arn": fill(role.arn, variables)}))
    inline = {name: _document(source, variables) for name, source in binding.inline_policies.items()}
    if binding.assume_role_arns:
        inline[CHAINING_POLICY] = chaining_policy(fill(binding.assume_role_arns, variables))
    args |= {
        "subjects": trust.subjects,
        "any_service_account": trust.any_service_account or None,
        "trust_conditions": fill(trust.conditions, variables),
        "trust_statements": fill(trust.statements, variables),
        "role_name": role.name,
        "role_name_prefix": role.name_prefix,
        "description": role.description,
        "path": role.path,
        "permissions_boundary": role.permissions_boundary and fill(role.permissions_boundary, variables),
        "tags": role.tags,
        "max_session_duration": role.max_session_duration,
        "force_detach_policies": role.force_detach_policies,
        "policy_arns": {policy_key(arn): arn for arn in fill(binding.policy_arns, variables)},
        "inline_policies": inline,
        "trust_policy_size_quota": settings.quotas.trust_policy_size,
        "attached_policies_quota": settings.quotas.attached_policies,
    }
    if policy:
        own = policy.model_dump(include={"name", "path", "description", "tags"})
        args["policy"] = _given({**own, "document": _document(policy, variables)})
    return cast("ServiceAccountRoleArgs", _given(args))


def policy_key(arn: str) -> str:
    """Give the part of an attachment's logical name that stands for a policy.

    It is the policy's path and name, with `aws:` before those of AWS.
    """
    parsed = parse_iam_arn(arn, "policy")
    return f"aws:{parsed.resource}" if parsed.account == "aws" else parsed.resource


def _document(source: PolicyDocument, variables: Mapping[str, str]) -> str:
    return minified(fill(source.document, variables))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not set."""
    return {key: value for key, value in values.items() if value is not None and value not in ({}, [])}
